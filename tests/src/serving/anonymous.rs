//! People who do not say who they are, on all doors of one server.

use libtest_mimic::Trial;

use super::{Server, client_script, verifier};

const PASSWORD: &str = "the word of boss";

pub(super) fn trials() -> Vec<Trial> {
    vec![Trial::test("serving::anonymous", || {
        let verifier = verifier(PASSWORD)?;
        let configuration = format!(
            "[users.anonymous]\nroles = []\n[users.boss]\npassword = \"{verifier}\"\nroles = [\"boss\"]\n\
             [roles.boss]\ngrants = [\"ADMIN\"]\n"
        );
        let server = Server::start(&configuration, &["pg", "http", "flight"], &[])?;
        let urls = ["postgresql", "http", "grpc"].map(|scheme| server.url(scheme));
        let said = client_script("anonymous.py", &[urls[0], urls[1], urls[2], PASSWORD])?;
        assert_eq!(said.trim(), "ok");
        Ok(())
    })]
}
