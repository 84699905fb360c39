//! The statements of a request: [`Script`].

use std::fmt;
use std::sync::Arc;

use graticule_engine::Engine;
use graticule_engine::cube::Cube;

use super::inputs::{Input, table};
use super::remarks::Remarks;
use super::request::{CubeConfig, Definitions, InputConfig, OutputConfig, Request};
use super::select::Select;
use super::stores::{Asked, Place, Store, Stores};
use super::target::Target;
use super::text::identifier;
use crate::failure::Failure;

/// The statements, in the order in which they are run.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) attachments: Vec<Attachment>,
    /// Comments about what is done that the request does not say word for word.
    notes: Vec<String>,
    /// Makes the cube.
    pub(super) create: String,
    /// Says what would be made.
    pub(super) explain: String,
    /// The folder in which the cube will be, made where it is missing.
    pub(super) folder: Option<String>,
}

/// A statement that attaches a store.
#[derive(Debug)]
pub(super) struct Attachment {
    /// With its secrets.
    pub(super) run: String,
    /// Without.
    pub(super) printed: String,
    /// What to know about the secrets.
    note: Option<String>,
}

impl Script {
    /// What `request` asks for; opens the cubes that it reads.
    ///
    /// # Errors
    /// A cube that cannot be opened.
    pub(super) async fn of(
        engine: &Engine,
        request: &Request,
        unknown: &[String],
        definitions: Definitions,
        remarks: &mut Remarks,
    ) -> Result<Self, Failure> {
        check_fields(request, unknown, remarks);
        let mut stores = Stores::new(definitions);
        let no_config = CubeConfig::default();
        let config = request.cube_config.as_ref().unwrap_or(&no_config);
        let places: Vec<Place> = asked_inputs(request, remarks)
            .iter()
            .map(|(field, input)| of_input(field, input))
            .filter_map(|asked| stores.input(asked, remarks))
            .collect();
        let no_output = OutputConfig::default();
        let output = request.output_config.as_ref();
        let target_place = output.and_then(|output| stores.output(of_output(output), remarks));
        let output = output.unwrap_or(&no_output);
        let mut inputs = Vec::new();
        for place in &places {
            if let Some(store) = place.store.and_then(|store| stores.stores.get(store)) {
                inputs.push(described(engine, store, place, config).await?);
            }
        }
        let mut target = Target::of(output, target_place.as_ref(), &stores.stores, remarks);
        let select = Select::of(config, &inputs, remarks);
        if select.names_dimensions {
            let names = select
                .dimensions
                .iter()
                .map(|dimension| dimension.name.as_str());
            target.set("dims", names.collect::<Vec<_>>().join(","));
        }
        target.chunk(config, &select.dimensions, remarks);
        target.describe(config, remarks);
        let is_there = !inputs.is_empty() && !select.text.is_empty();
        Ok(Self {
            attachments: stores.stores.iter().map(Attachment::of).collect(),
            notes: select.notes.clone(),
            create: if is_there {
                target.create(&select.text)
            } else {
                String::new()
            },
            explain: target.explain(&select.text),
            folder: target.folder().map(String::from),
        })
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Attachment { printed, note, .. } in &self.attachments {
            if let Some(note) = note {
                write_comment(f, note)?;
            }
            if !printed.is_empty() {
                writeln!(f, "{printed};")?;
            }
        }
        if let Some(folder) = &self.folder {
            let note = format!("the folder {folder} is made where it is missing");
            write_comment(f, &note)?;
        }
        for note in &self.notes {
            write_comment(f, note)?;
        }
        match self.create.is_empty() {
            true => Ok(()),
            false => writeln!(f, "{};", self.create),
        }
    }
}

/// A comment holds texts of the request, of which no line may become a statement.
fn write_comment(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    writeln!(f, "-- {}", text.replace(['\n', '\r'], " "))
}

impl Attachment {
    fn of(store: &Store) -> Self {
        if store.kind.is_none() {
            return Self {
                run: String::new(),
                printed: String::new(),
                note: Some(format!(
                    "store {} is not available: ATTACH 'folder with its files' AS {}",
                    store.name,
                    identifier(&store.name)
                )),
            };
        }
        let variables: Vec<&str> = store.variables().collect();
        Self {
            run: store.attach(),
            printed: store.attach_without_secrets(),
            note: (!variables.is_empty()).then(|| {
                format!("the request holds secrets, which are used and not printed; to run this elsewhere, set {}", variables.join(", "))
            }),
        }
    }
}

/// Names what the request says and nothing comes of.
fn check_fields(request: &Request, unknown: &[String], remarks: &mut Remarks) {
    for field in unknown {
        remarks.refuse(
            field,
            "requests have no such field; check the spelling, or leave it out",
        );
    }
    if request
        .code_config
        .as_ref()
        .is_some_and(|code| !code.is_null())
    {
        let text = "Python is not run; write what it computes as SQL, in the SELECT above: chl * 2 AS chl2, CASE WHEN … END, or CREATE FUNCTION";
        remarks.refuse("code_config", text);
    }
    if request
        .callback_config
        .as_ref()
        .is_some_and(|callback| !callback.is_null())
    {
        let text = "progress is sent to no server; watch it on the terminal, or in cube.jobs";
        remarks.pass_over("callback_config", text);
    }
    if request.output_config.is_none() {
        remarks.refuse(
            "output_config",
            "nothing says where the cube is written; name a store and a data_id",
        );
    }
}

/// All inputs, and where they stand in the request.
fn asked_inputs<'a>(request: &'a Request, remarks: &mut Remarks) -> Vec<(String, &'a InputConfig)> {
    let several = request.input_configs.iter().flatten().enumerate();
    let several = several.map(|(number, input)| (format!("input_configs[{number}]"), input));
    let one = request
        .input_config
        .iter()
        .map(|input| ("input_config".to_string(), input));
    if request.input_config.is_some() && request.input_configs.is_some() {
        remarks.refuse(
            "input_config",
            "input_configs is there, too; put all inputs there",
        );
    }
    let inputs: Vec<_> = one.chain(several).collect();
    if inputs.is_empty() {
        remarks.refuse(
            "input_config",
            "nothing says what is read; name a store and a data_id",
        );
    }
    inputs
}

fn of_input<'a>(field: &'a str, input: &'a InputConfig) -> Asked<'a> {
    Asked {
        field,
        store_id: input.store_id.as_deref(),
        accessor: input.opener_id.as_deref(),
        data_id: input.data_id.as_deref(),
        store_params: input.store_params.as_ref(),
        open_params: input.open_params.as_ref(),
    }
}

fn of_output(output: &OutputConfig) -> Asked<'_> {
    Asked {
        field: "output_config",
        store_id: output.store_id.as_deref(),
        accessor: output.writer_id.as_deref(),
        data_id: output.data_id.as_deref(),
        store_params: output.store_params.as_ref(),
        open_params: None,
    }
}

/// The input at `place`: as its metadata say, or what it most likely is where its store is not available.
async fn described(
    engine: &Engine,
    store: &Store,
    place: &Place,
    config: &CubeConfig,
) -> Result<Input, Failure> {
    let name = table(store, place);
    if store.kind.is_none() {
        let variables = config.variable_names.clone().unwrap_or_default();
        return Ok(Input::assumed(name, &variables));
    }
    let url = format!("{}/{}", store.url.trim_end_matches('/'), place.path);
    let cubes: Vec<Arc<Cube>> = engine.open(&url, &store.options()).await?;
    Ok(match cubes.first() {
        Some(cube) => Input::of(name, cube),
        None => Input::assumed(name, &[]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_one_line() {
        let script = Script {
            notes: vec!["a\nDROP TABLE b;\r\nc".to_string()],
            folder: Some("d\ne".to_string()),
            ..Script::default()
        };
        assert_eq!(
            script.to_string(),
            "-- the folder d e is made where it is missing\n-- a DROP TABLE b;  c\n"
        );
    }
}
