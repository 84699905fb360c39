//! How the cells of overviews are made: [`OverviewMethods`].

use std::fmt;

use arrow::datatypes::FieldRef;
use graticule_functions::warp::{Method, Missing, halves};

use crate::error::{CubeError, CubeResult};
use crate::grids::Resampling;
use crate::sql::suggestions::with_nearest;

/// A method for all variables, and those of some: `mean`, or `mean, flags=mode`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct OverviewMethods {
    of_all: Option<Method>,
    own: Vec<(String, Method)>,
}

impl OverviewMethods {
    /// Reads them.
    ///
    /// # Errors
    /// A method that is not known, or that makes no overviews.
    pub(crate) fn parse(text: &str) -> CubeResult<Self> {
        let mut methods = Self::default();
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                Some((name, method)) => {
                    let own = (name.trim().to_string(), parse(method.trim())?);
                    methods.own.push(own);
                }
                None if methods.of_all.is_none() => methods.of_all = Some(parse(part)?),
                None => {
                    let cause =
                        format!("the methods of overviews {text:?} are two for all variables");
                    return Err(CubeError::invalid("", cause)
                        .remedy("write one, and others with names: 'mean, flags=mode'"));
                }
            }
        }
        Ok(methods)
    }

    /// The variables that are named.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.own.iter().map(|(name, _)| name.as_str())
    }

    /// The method of a variable: the mean where nothing else is said, of flags the value that occurs most often.
    pub(crate) fn of(&self, field: &FieldRef) -> Method {
        let resampling = Resampling {
            method: Some(self.of_all.unwrap_or(Method::Average)),
            of_flags: Method::Mode,
            methods: self.own.clone(),
            missing: Missing::Skip,
        };
        resampling.of(field)
    }
}

impl fmt::Display for OverviewMethods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.of_all.unwrap_or(Method::Average))?;
        self.own
            .iter()
            .try_for_each(|(name, method)| write!(f, ", {name}={method}"))
    }
}

fn parse(name: &str) -> CubeResult<Method> {
    let made = name.parse().ok().filter(|method| halves(*method));
    made.ok_or_else(|| {
        let error = CubeError::invalid("", format!("no overviews are made by the method {name}"));
        let known = Method::names().into_iter();
        let known = known.filter(|name| name.parse().is_ok_and(halves));
        with_nearest(error, name, known, "there are")
    })
}
