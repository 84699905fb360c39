//! What of a request is not done as it says: [`Remarks`]. Nothing is left out without a word.
//!
//! ```text
//!  not honoured: callback_config: progress is told to no server; watch it on the terminal
//! ```

use std::fmt;

use crate::count::count_of;
use crate::exit_code::ExitCode;
use crate::failure::Failure;

/// All that is not done as the request says.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    remarks: Vec<Remark>,
}

#[derive(Debug, PartialEq, Eq)]
struct Remark {
    /// Of the request, such as `cube_config.tile_size`.
    field: String,
    /// The cause and the remedy.
    text: String,
    /// Would the cube be another one?
    is_fatal: bool,
}

impl Remarks {
    /// Something without which the cube would be another one: nothing is made.
    pub(super) fn refuse(&mut self, field: impl Into<String>, text: impl Into<String>) {
        self.add(field.into(), text.into(), true);
    }

    /// Something that the cube does not depend on.
    pub(super) fn pass_over(&mut self, field: impl Into<String>, text: impl Into<String>) {
        self.add(field.into(), text.into(), false);
    }

    fn add(&mut self, field: String, text: String, is_fatal: bool) {
        let remark = Remark {
            field,
            text,
            is_fatal,
        };
        if !self.remarks.contains(&remark) {
            self.remarks.push(remark);
        }
    }

    /// May the cube be made?
    ///
    /// # Errors
    /// It would be another one than the request says.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let fatal: Vec<&str> = self
            .remarks
            .iter()
            .filter(|remark| remark.is_fatal)
            .map(|remark| remark.field.as_str())
            .collect();
        if fatal.is_empty() {
            return Ok(());
        }
        let text = format!(
            "nothing is made, because the request says {} on which the cube depends and which cannot be honoured ({}); change it as said above",
            count_of(fatal.len() as u64, "thing"),
            fatal.join(", ")
        );
        Err(Failure::new(ExitCode::Usage, text))
    }
}

impl fmt::Display for Remarks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for remark in &self.remarks {
            writeln!(f, "not honoured: {}: {}", remark.field, remark.text)?;
        }
        Ok(())
    }
}
