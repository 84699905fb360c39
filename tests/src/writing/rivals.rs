//! Two processes that write one cube at once: one after the other, or one of them is told of the other.

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::number;
use super::workshop::{Format, Workshop, printed, whole};

/// Meetings per statement.
const MEETINGS: u64 = 6;

const SOURCE: &str = "CREATE OR REPLACE TABLE s.source WITH (dims = 'y,x', chunks = 'y=4,x=4') AS \
    SELECT y.value AS y, x.value AS x, y.value * 100 + x.value AS v \
    FROM generate_series(0, 15) AS y CROSS JOIN generate_series(0, 15) AS x";

const BEFORE: &str = "CREATE OR REPLACE TABLE s.t WITH (dims = 'y,x', chunks = 'y=4,x=4') AS \
    SELECT y, x, v - 1000000 AS v FROM s.source";

/// Two statements that meet.
struct Meeting {
    name: &'static str,
    before: &'static str,
    /// `{N}` is 1 in one process and 2 in the other.
    statement: &'static str,
    /// Can both succeed, one after the other?
    both: bool,
    /// What the loser may be told.
    refusals: &'static [&'static str],
}

const BUSY: [&str; 4] = [
    "the cube is being written by process",
    "someone else has begun to write the cube",
    "someone else has changed the cube",
    "someone else has written the cube since",
];

const MEETINGS_OF: [Meeting; 3] = [
    Meeting {
        name: "create",
        before: "",
        statement: "CREATE TABLE s.t WITH (dims = 'y,x', chunks = 'y=2,x=4', memory = '1kB') AS \
            SELECT y, x, v * 10 + {N} AS v FROM s.source",
        both: false,
        refusals: &[
            BUSY[0],
            BUSY[1],
            "is there already",
            "there is a cube already",
        ],
    },
    Meeting {
        name: "create_or_replace",
        before: BEFORE,
        statement: "CREATE OR REPLACE TABLE s.t WITH (dims = 'y,x', chunks = 'y=2,x=4', memory = '1kB') AS \
            SELECT y, x, v * 10 + {N} AS v FROM s.source",
        both: true,
        refusals: &BUSY,
    },
    Meeting {
        name: "insert",
        before: BEFORE,
        statement: "INSERT INTO s.t SELECT y + 16 * {N} AS y, x, v * 10 + {N} AS v FROM s.source",
        both: true,
        refusals: &BUSY,
    },
];

/// Cells of the state before, of the first process, of the second, and of none of them.
const CELLS: &str = "SELECT count(v) FILTER (WHERE v < 0) AS before, \
    count(v) FILTER (WHERE v >= 0 AND v % 10 = 1) AS first, \
    count(v) FILTER (WHERE v >= 0 AND v % 10 = 2) AS second, count(v) AS all FROM s.t";

/// What is expected of the cube, from who succeeded.
fn check(meeting: &Meeting, winners: [bool; 2], row: &Value) -> Result<(), Failed> {
    let [before, first, second, all] =
        ["before", "first", "second", "all"].map(|name| whole(row, name));
    let is_right = match meeting.name {
        "insert" => {
            let of = |wins: bool| if wins { 256 } else { 0 };
            [before, first, second] == [256, of(winners[0]), of(winners[1])]
        }
        // All cells are of one process, and it is one that succeeded.
        _ => {
            let of_first = [first, second] == [256, 0] && winners[0];
            let of_second = [first, second] == [0, 256] && winners[1];
            before == 0 && (of_first || of_second)
        }
    };
    match is_right && before + first + second == all {
        true => Ok(()),
        false => Err(format!("winners {winners:?}, but the cube has {row}").into()),
    }
}

/// All statements meet, some times, in the store that is attached as `s`.
pub(crate) fn meet_at(attach: &str, format: Format, meetings: u64) -> Result<(), Failed> {
    let workshop = Workshop::attached(attach, format)?;
    MEETINGS_OF
        .iter()
        .try_for_each(|meeting| meet(meeting, &workshop, meetings))
}

fn meet(meeting: &Meeting, workshop: &Workshop, meetings: u64) -> Result<(), Failed> {
    let format = workshop.format;
    workshop.rows(SOURCE)?;
    let mut refused = 0;
    for number in 0..meetings {
        workshop.rows(&format.of(meeting.before))?;
        let statements = ["1", "2"].map(|of| format.of(&meeting.statement.replace("{N}", of)));
        let children = statements
            .each_ref()
            .map(|statement| workshop.start(statement));
        let mut outcomes = Vec::new();
        for child in children {
            outcomes.push(printed(&child?.wait_with_output()?)?);
        }
        let winners = [outcomes[0].is_ok(), outcomes[1].is_ok()];
        for complaint in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            refused += 1;
            if !meeting
                .refusals
                .iter()
                .any(|refusal| complaint.contains(refusal))
            {
                return Err(format!("meeting {number}: {complaint}").into());
            }
        }
        if winners == [false, false] || (winners == [true, true] && !meeting.both) {
            return Err(format!("meeting {number}: {outcomes:?}").into());
        }
        let seen = workshop.rows(CELLS)?;
        check(meeting, winners, seen.first().ok_or("no row")?)?;
        workshop.rows("VACUUM s.t")?;
        let seen = workshop.rows(CELLS)?;
        check(meeting, winners, seen.first().ok_or("no row")?)?;
        workshop.rows("DROP TABLE s.t")?;
    }
    match refused > 0 {
        true => Ok(()),
        false => Err("no two processes met".into()),
    }
}

pub(super) fn trials() -> Vec<Trial> {
    let formats = [(Format::Zarr, ""), (Format::Icechunk, "icechunk_")];
    let meetings = formats.into_iter().flat_map(|(format, prefix)| {
        MEETINGS_OF.iter().map(move |meeting| {
            let name = format!("writing::rivals_{prefix}{}", meeting.name);
            Trial::test(name, move || {
                let meetings = number("GRATICULE_CASES", MEETINGS);
                meet(meeting, &Workshop::writing(format)?, meetings)
            })
        })
    });
    meetings.collect()
}
