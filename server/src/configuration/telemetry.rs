//! The section `[telemetry]`, see `serve/traces.rs`.

use toml::de::DeTable;

use super::{Mistake, Reader};
use crate::serve::traces::TelemetrySection;

const KEYS: [&str; 1] = ["otlp_endpoint"];

impl Reader<'_> {
    pub(super) fn read_telemetry(&self, table: &DeTable<'_>) -> Result<TelemetrySection, Mistake> {
        let mut section = TelemetrySection::default();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "otlp_endpoint" => {
                    let endpoint = self.text_of(key, value)?;
                    if !endpoint.starts_with("http://") {
                        let text = "otlp_endpoint is the address of a collector that speaks gRPC without TLS, such as \
                                    \"http://127.0.0.1:4317\"";
                        return Err(self.mistake(value.span(), text));
                    }
                    section.otlp_endpoint = Some(endpoint);
                }
                _ => return Err(self.unknown(key, "setting", KEYS.into_iter())),
            }
        }
        Ok(section)
    }
}
