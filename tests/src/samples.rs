//! Questions to the sample files, which every machine has: the answers are those of xarray.

use libtest_mimic::Trial;

use crate::answers;
use crate::client::{Client, Variables, engine};
use crate::oracle::oracle;

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("samples::answers_of_xarray", || {
        let questions = std::fs::read_to_string(oracle("samples.py")?.join("questions.json"))?;
        let client = Client::new(&engine()?, Variables::of(&questions)?);
        let asked = async {
            let questions = serde_json::from_str(&questions)?;
            answers::compare(&client, &questions, "").await
        };
        tokio::runtime::Runtime::new()?.block_on(asked)
    })]
}
