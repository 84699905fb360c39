//! Statements that are too deep or too large are errors, never the end of the process.

use libtest_mimic::{Failed, Trial};

use crate::client::{Client, Variables, engine};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = STATEMENTS
        .iter()
        .map(|(name, build, expected)| {
            Trial::test(format!("limits::{name}"), || run(build(), expected))
        })
        .collect();
    trials.push(Trial::test("limits::views_do_not_expand_for_ever", || {
        views_do_not_expand_for_ever()
    }));
    trials
}

/// Name, statement, and what its error says; `None` for statements that have an answer.
#[allow(clippy::type_complexity)]
const STATEMENTS: &[(&str, fn() -> String, Option<&str>)] = &[
    (
        "explain_of_explain",
        || "EXPLAIN ".repeat(20_000) + "SELECT 1",
        Some("EXPLAIN of EXPLAIN"),
    ),
    (
        "explain_with_words_between",
        || "EXPLAIN ANALYZE VERBOSE FORMAT tree ".repeat(20_000) + "SELECT 1",
        Some("EXPLAIN of EXPLAIN"),
    ),
    ("explain", || "EXPLAIN SELECT 1".to_string(), None),
    ("parentheses", || nested("(", "1", ")", 5_000), Some("")),
    ("functions", || nested("abs(", "1", ")", 5_000), Some("")),
    (
        "cases",
        || nested("CASE WHEN ", "true", " THEN 1 END", 5_000),
        Some(""),
    ),
    (
        "subqueries",
        || nested("(SELECT ", "1", ")", 5_000),
        Some(""),
    ),
    ("negations", || nested("NOT ", "true", "", 5_000), Some("")),
    ("arrays", || nested("[", "1", "]", 5_000), Some("")),
    (
        "tables_in_parentheses",
        || format!("SELECT * FROM {}t{}", "(".repeat(5_000), ")".repeat(5_000)),
        Some(""),
    ),
    (
        "types",
        || {
            format!(
                "SELECT CAST(NULL AS {}INT{})",
                "ARRAY<".repeat(5_000),
                ">".repeat(5_000)
            )
        },
        Some(""),
    ),
    (
        "sum",
        || format!("SELECT 1{}", "+1".repeat(100_000)),
        Some("operators in a row"),
    ),
    (
        "short_sum",
        || format!("SELECT 1{}", "+1".repeat(400)),
        None,
    ),
    (
        "casts",
        || format!("SELECT 1{}", "::INT".repeat(100_000)),
        Some("operators in a row"),
    ),
    (
        "null_tests",
        || format!("SELECT 1{}", " IS NULL".repeat(100_000)),
        Some("operators in a row"),
    ),
    (
        "unions",
        || format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(20_000)),
        Some("operators in a row"),
    ),
    (
        "short_union",
        || format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(100)),
        None,
    ),
    (
        "long_list",
        || format!("SELECT 1 IN (-1{})", ", -1".repeat(20_000)),
        None,
    ),
    (
        "sums_in_parentheses",
        || {
            format!(
                "SELECT {}1{}",
                "(".repeat(40),
                format!("{})", "+1".repeat(400)).repeat(40)
            )
        },
        Some("operators in a row"),
    ),
    (
        "sums_in_cases",
        || {
            format!(
                "SELECT {}1{}",
                format!("CASE WHEN true THEN 1{}+", "+1".repeat(400)).repeat(40),
                " END".repeat(40)
            )
        },
        Some("operators in a row"),
    ),
    (
        "many_groups",
        || {
            format!(
                "SELECT 1 WHERE (1 = 1 AND 2 = 2){}",
                " OR (1 = 2 AND 2 = 3)".repeat(200)
            )
        },
        None,
    ),
    (
        "many_branches",
        || format!("SELECT CASE {}END", "WHEN 1 = 2 THEN 3 ".repeat(1_000)),
        None,
    ),
    (
        "conditions",
        || format!("SELECT 1 WHERE 1 = 1{}", " OR 1 = 2".repeat(50_000)),
        Some("operators in a row"),
    ),
];

/// Stack of the threads, as the program has it: frames are several times larger without optimisation.
const STACK: usize = 8 << 20;

fn nested(open: &str, inner: &str, close: &str, depth: usize) -> String {
    format!(
        "SELECT {}{inner}{}",
        open.repeat(depth),
        close.repeat(depth)
    )
}

fn run(statement: String, expected: &Option<&str>) -> Result<(), Failed> {
    let client = Client::new(&engine()?, Variables::of("")?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_stack_size(STACK)
        .enable_all()
        .build()?;
    let outcome = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let running = thread.spawn_scoped(scope, || runtime.block_on(client.run(&statement)));
        running.map(|running| running.join().expect("it does not panic"))
    })?;
    match (outcome, expected) {
        (Ok(_), None) => Ok(()),
        (Err(error), Some(part)) => {
            let error = error.to_string();
            assert!(error.contains(part), "{error:.300}");
            Ok(())
        }
        (Ok(_), Some(_)) => Err("there is an answer".into()),
        (Err(error), None) => Err(error.to_string().into()),
    }
}

/// Each view is twice the size of the one before.
fn views_do_not_expand_for_ever() -> Result<(), Failed> {
    let client = Client::new(&engine()?, Variables::of("")?);
    tokio::runtime::Runtime::new()?.block_on(async {
        client.run("CREATE VIEW v0 AS SELECT 1 AS a").await?;
        for number in 1..31 {
            let below = format!("v{}", number - 1);
            let view = format!(
                "CREATE VIEW v{number} AS SELECT l.a FROM {below} l JOIN {below} r ON l.a = r.a"
            );
            if let Err(error) = client.run(&view).await {
                let error = error.to_string();
                assert!(error.contains("expands to more than"), "{error}");
                assert!(number > 5, "v{number} is refused already");
                return Ok(());
            }
        }
        Err("all views were made".into())
    })
}
