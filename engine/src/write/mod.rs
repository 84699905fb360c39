//! Writing cubes: from the rows or blocks of a query to the arrays of a format.

#[cfg_attr(
    not(test),
    expect(
        dead_code,
        unused_imports,
        reason = "the statement that writes is built on it"
    )
)]
pub(crate) mod metadata;
