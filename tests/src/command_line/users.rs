//! What the program says of users before anybody comes in.

use libtest_mimic::{Failed, Trial};

use super::{Desk, feed, text};
use crate::places;

pub(super) fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "command_line::users::passwords_become_verifiers",
            passwords_become_verifiers,
        ),
        Trial::test(
            "command_line::users::open_doors_are_refused",
            open_doors_are_refused,
        ),
    ]
}

/// Python's standard library says whether the verifier is that of the password.
const CHECK: &str = "
import base64, hashlib, hmac, sys
scheme, parameters, keys = sys.argv[1].split('$')
iterations, salt = parameters.split(':')
stored, server = [base64.b64decode(key) for key in keys.split(':')]
salted = hashlib.pbkdf2_hmac('sha256', sys.argv[2].encode(), base64.b64decode(salt), int(iterations))
sign = lambda text: hmac.digest(salted, text, 'sha256')
print(scheme, hashlib.sha256(sign(b'Client Key')).digest() == stored, sign(b'Server Key') == server)
";

fn passwords_become_verifiers() -> Result<(), Failed> {
    let desk = Desk::with(&[])?;
    let mut command = desk.command(places::binary());
    let output = feed(command.arg("password"), "correct horse\n")?;
    let verifier = text(&output.stdout);
    let checked = desk.python(CHECK, &[verifier.trim(), "correct horse"])?;
    assert_eq!(checked, "SCRAM-SHA-256 True True\n");
    let nothing = desk.graticule(&["password"], "\n")?;
    assert_eq!(nothing.status.code(), Some(2));
    let key = text(&desk.graticule(&["api-key"], "")?.stdout);
    let hashed = "import hashlib, sys\nkey, hash = [l.split()[1] for l in sys.argv[1].splitlines()]\n\
                  print(hash == 'sha256:' + hashlib.sha256(key.encode()).hexdigest())";
    assert_eq!(desk.python(hashed, &[&key])?, "True\n");
    Ok(())
}

fn open_doors_are_refused() -> Result<(), Failed> {
    let desk = Desk::with(&[("graticule.toml", "[engine]\nthreads = 1\n")])?;
    let output = desk.graticule(&["serve", "--http", "0.0.0.0:0"], "")?;
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("no users are configured"), "{said}");
    assert!(!said.contains("listening"), "{said}");
    Ok(())
}
