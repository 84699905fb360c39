//! Forms that clients use in questions about the catalogue, and that the planner does not know, in words that it knows.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, ObjectName,
    Query, SelectItem, SetExpr, Statement, Value, VisitMut, VisitorMut, visit_expressions,
};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

/// Rewrites a statement in place.
pub(super) fn rewrite(statement: &mut Statement) {
    let text = statement.to_string();
    if let Statement::Query(query) = statement
        && KEY_SIGNS.iter().any(|sign| text.contains(sign))
    {
        empty(query);
    }
    if let Statement::Query(query) = statement {
        make_names_unique(query);
    }
    let _ = statement.visit(&mut Forms);
}

/// What only questions about keys and indexes hold.
const KEY_SIGNS: [&str; 2] = ["_pg_expandarray", "generate_subscripts"];

/// Columns that the tables do not have: options and privileges, which are none, and the table of a row.
const ABSENT: [&str; 9] = [
    "reloptions",
    "relacl",
    "nspacl",
    "datacl",
    "attacl",
    "spcacl",
    "proacl",
    "typacl",
    "tableoid",
];

/// Columns that hold names, and the letters of kinds.
const NAMES: [&str; 6] = [
    "attname", "datname", "nspname", "relkind", "relname", "typname",
];

/// Tables without rows: there are no defaults, keys, rules, sequences.
const EMPTY: [&str; 6] = [
    "pg_attrdef",
    "pg_constraint",
    "pg_index",
    "pg_inherits",
    "pg_sequence",
    "pg_trigger",
];

struct Forms;

impl VisitorMut for Forms {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if let SetExpr::Select(select) = query.body.as_mut() {
            for item in &mut select.projection {
                if let SelectItem::UnnamedExpr(expression) = item
                    && is_column(expression, &ABSENT)
                    && let Some(alias) = column_of(expression).cloned()
                {
                    let expr = expression.clone();
                    *item = SelectItem::ExprWithAlias { expr, alias };
                }
            }
            // The planner knows EXISTS as a condition only.
            if let [SelectItem::UnnamedExpr(Expr::Exists { subquery, negated })] =
                select.projection.as_slice()
                && select.from.is_empty()
            {
                let sign = if *negated { "=" } else { ">" };
                let count = format!("(SELECT count(*) {sign} 0 FROM ({subquery}) AS found)");
                if let Some(expr) = parsed(&count) {
                    let alias = Ident::new("exists");
                    select.projection = vec![SelectItem::ExprWithAlias { expr, alias }];
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expression: &mut Expr) -> ControlFlow<()> {
        match expression {
            // ARRAY(SELECT …) collects roles and rules, of which there are none.
            Expr::Function(function) if is_array(function) => {
                *expression = text("{}");
            }
            Expr::Subquery(query) if is_without_rows(query) => {
                *expression = Expr::Value(Value::Null.into());
            }
            Expr::Subquery(query) => make_single(query),
            // The table of a name, or NULL.
            Expr::Function(function) if is_named(function, "to_regclass") => {
                if let Some(number) = relation_number(function) {
                    *expression = number;
                }
            }
            // Types of arguments, which are kept as texts.
            Expr::Cast { data_type, .. } if is_list_of_types(data_type) => {
                *expression = Expr::Cast {
                    kind: CastKind::Cast,
                    expr: Box::new(Expr::Value(Value::Null.into())),
                    data_type: list_of_texts(),
                    array: false,
                    format: None,
                };
            }
            // Which kind of list a value is, clients do not always say.
            Expr::Function(function) if is_named(function, "array_contains") => name_list(function),
            Expr::Identifier(_) | Expr::CompoundIdentifier(_) if is_column(expression, &ABSENT) => {
                *expression = Expr::Value(Value::Null.into());
            }
            Expr::Function(function)
                if is_named(function, "array_to_string")
                    && function.args.to_string().contains("NULL") =>
            {
                *expression = Expr::Value(Value::Null.into());
            }
            // The planner knows the backslash only.
            Expr::Like {
                pattern,
                escape_char: escape @ Some(_),
                ..
            }
            | Expr::ILike {
                pattern,
                escape_char: escape @ Some(_),
                ..
            } => {
                if let Some(sign) = escape.take() {
                    let sign = sign.to_string();
                    let sign = text(sign.trim_matches('\''));
                    **pattern = call("replace", vec![(**pattern).clone(), sign, text("\\")]);
                }
            }
            // A column of functions holds their names here, and "-" where there is none.
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq | BinaryOperator::NotEq,
                right,
            } if is_function_column(left) && right.to_string() == "0" => {
                **right = text("-");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn is_function_column(expression: &Expr) -> bool {
    is_column(
        expression,
        &[
            "typinput",
            "typoutput",
            "typreceive",
            "typsend",
            "typanalyze",
        ],
    )
}

/// Is it one of these columns, of whatever table?
fn is_column(expression: &Expr, columns: &[&str]) -> bool {
    let name = column_of(expression);
    name.is_some_and(|name| columns.contains(&name.value.to_lowercase().as_str()))
}

/// The name of a column, without that of its table.
fn column_of(expression: &Expr) -> Option<&Ident> {
    match expression {
        Expr::Identifier(name) => Some(name),
        Expr::CompoundIdentifier(names) => names.last(),
        _ => None,
    }
}

/// `regtype[]`
fn is_list_of_types(kind: &DataType) -> bool {
    let name = kind.to_string().to_lowercase();
    name.trim_start_matches("pg_catalog.") == "regtype[]"
}

fn list_of_texts() -> DataType {
    let texts = ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None);
    DataType::Array(texts)
}

/// What `to_regclass('schema.name')` looks up.
fn relation_number(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else {
        return None;
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(name)))] = list.args.as_slice()
    else {
        return None;
    };
    let Value::SingleQuotedString(name) = &name.value else {
        return None;
    };
    let plain = |part: &str| text(part.trim_matches('"'));
    let schema = match name.rsplit_once('.') {
        Some((schema, _)) => plain(schema).to_string(),
        None => "current_schema()".to_string(),
    };
    let name = plain(name.rsplit('.').next().unwrap_or_default());
    parsed(&format!(
        "(SELECT min(c.oid) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON c.relnamespace = n.oid \
         WHERE n.nspname = {schema} AND c.relname = {name})"
    ))
}

/// An expression of which the text is known.
fn parsed(text: &str) -> Option<Expr> {
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).ok()?;
    parser.parse_expr().ok()
}

/// `relname = ANY($1)`, which has become `array_contains($1, relname)`: a list of texts.
fn name_list(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else {
        return;
    };
    let [
        FunctionArg::Unnamed(FunctionArgExpr::Expr(values)),
        FunctionArg::Unnamed(FunctionArgExpr::Expr(name)),
    ] = list.args.as_mut_slice()
    else {
        return;
    };
    if !is_column(name, &NAMES) {
        return;
    }
    if matches!(values, Expr::Value(value) if matches!(value.value, Value::Placeholder(_))) {
        *values = Expr::Cast {
            kind: CastKind::Cast,
            expr: Box::new(values.clone()),
            data_type: list_of_texts(),
            array: false,
            format: None,
        };
    }
}

fn is_array(function: &Function) -> bool {
    matches!(function.args, FunctionArguments::Subquery(_)) && is_named(function, "array")
}

/// Is this its name, whatever schema it is said to be in?
fn is_named(function: &Function, name: &str) -> bool {
    let last = function.name.0.last().and_then(|part| part.as_ident());
    last.is_some_and(|last| last.value.eq_ignore_ascii_case(name))
}

fn text(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_string()).into())
}

/// A query about keys, of which there are none: the same columns, and no rows.
fn empty(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    for (index, item) in select.projection.iter_mut().enumerate() {
        let alias = match item {
            SelectItem::ExprWithAlias { alias, .. } => alias.clone(),
            SelectItem::UnnamedExpr(Expr::Identifier(name)) => name.clone(),
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(names)) => match names.last() {
                Some(name) => name.clone(),
                None => continue,
            },
            _ => Ident::new(format!("column{}", index + 1)),
        };
        let expr = Expr::Value(Value::Null.into());
        *item = SelectItem::ExprWithAlias { expr, alias };
    }
    select.from = vec![];
    select.selection = Some(Expr::Value(Value::Boolean(false).into()));
    select.group_by = GroupByExpr::Expressions(vec![], vec![]);
    select.having = None;
    query.order_by = None;
}

/// Two columns of one name are none for the planner: the later one gets its place as a suffix.
fn make_names_unique(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    let mut seen = HashSet::new();
    for (place, item) in select.projection.iter_mut().enumerate() {
        if let SelectItem::ExprWithAlias { alias, .. } = item
            && !seen.insert(alias.value.to_lowercase())
        {
            *alias = Ident::new(format!("{}_{place}", alias.value));
        }
    }
}

/// Does a query read a table that has no rows here, or build JSON of rules of comparison, of which columns have none?
fn is_without_rows(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else {
        return false;
    };
    let first = select.from.first().map(|from| from.relation.to_string());
    let is_empty = |table: &&str| {
        let name = first
            .as_deref()
            .and_then(|name| name.split_whitespace().next());
        name.is_some_and(|name| name.trim_start_matches("pg_catalog.") == *table)
    };
    EMPTY.iter().any(is_empty) || query.to_string().contains("json_build_object")
}

/// A query that is a value gives one row at most; the planner wants to see that it does.
fn make_single(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else {
        return;
    };
    if query.limit_clause.is_some() || query.fetch.is_some() || select.from.is_empty() {
        return;
    }
    let [SelectItem::UnnamedExpr(value) | SelectItem::ExprWithAlias { expr: value, .. }] =
        select.projection.as_mut_slice()
    else {
        return;
    };
    // A function may be an aggregate, which gives one row as it is; so does what is computed of a count.
    let counts =
        |part: &Expr| matches!(part, Expr::Function(function) if is_named(function, "count"));
    let is_single = visit_expressions(value, |part| match counts(part) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    if matches!(value, Expr::Function(_)) || is_single.is_break() {
        return;
    }
    *value = call("min", vec![value.clone()]);
}

/// `name(argument, …)`
fn call(name: &str, arguments: Vec<Expr>) -> Expr {
    let argument = |value| FunctionArg::Unnamed(FunctionArgExpr::Expr(value));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: arguments.into_iter().map(argument).collect(),
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}
