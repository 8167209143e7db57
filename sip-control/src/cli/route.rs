//! `trunkline route`: which call goes where, in order.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::assign::Assignment;
use super::client::{Path, Request};
use super::complete;
use super::context::{Common, Context};
use super::failure::{Failure, Problem};
use super::fields;
use super::object::{self, Contents, Expected, Kind};
use super::table::{Cell, Column, Tone, words};

const ROUTES: Kind = Kind {
    noun: "route",
    collection: "routes",
    key: None,
    fields: fields::ROUTE,
};

#[derive(Args)]
pub(super) struct RouteArguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: RouteVerb,
}

#[derive(Subcommand)]
enum RouteVerb {
    /// List routes in their order: the first that matches decides.
    List,
    /// Show a route.
    Show {
        #[arg(add = complete::routes())]
        id: String,
    },
    /// Add a route behind the others, or where --before or --first says.
    #[command(after_help = fields::help(fields::ROUTE))]
    Add {
        #[command(flatten)]
        contents: Contents,
        /// The route that it goes before.
        #[arg(long, value_name = "ID", conflicts_with = "first")]
        before: Option<String>,
        /// Before every other that is not in the file.
        #[arg(long)]
        first: bool,
    },
    /// Change a route.
    #[command(after_help = fields::help(fields::ROUTE))]
    Set {
        #[arg(add = complete::routes())]
        id: String,
        #[arg(required = true, value_name = "KEY=VALUE", add = complete::fields(fields::ROUTE))]
        assignments: Vec<Assignment>,
        #[command(flatten)]
        expected: Expected,
    },
    /// Give a route all its settings anew: in $VISUAL or $EDITOR, or from a file.
    Edit {
        #[arg(add = complete::routes())]
        id: String,
        /// A route in TOML or JSON; `-` for standard input.
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        expected: Expected,
    },
    /// Move a route to another place in the order.
    Move {
        #[arg(add = complete::routes())]
        id: String,
        #[command(flatten)]
        to: Place,
    },
    /// Delete a route.
    Delete {
        #[arg(add = complete::routes())]
        id: String,
        #[command(flatten)]
        expected: Expected,
    },
}

/// A place in the order of the routes that are not in the file.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Place {
    /// Before every other.
    #[arg(long)]
    first: bool,
    /// Behind every other.
    #[arg(long)]
    last: bool,
    /// Before that route.
    #[arg(long, value_name = "ID")]
    before: Option<String>,
    /// Behind that route.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

impl RouteArguments {
    pub(super) fn common(&self) -> &Common {
        &self.common
    }

    pub(super) async fn execute(self) -> Result<(), Failure> {
        let context = self.common.context()?;
        match self.verb {
            RouteVerb::List => {
                let answer = ROUTES.list(&context).await?;
                let none = "no routes yet: trunkline route add from=TRUNK to=TRUNK";
                context.output.list(&answer, &COLUMNS, none)
            }
            RouteVerb::Show { id } => ROUTES.show(&context, &id, false).await,
            RouteVerb::Add {
                contents,
                before,
                first,
            } => {
                let place = Place {
                    first,
                    last: false,
                    before,
                    after: None,
                };
                add(&context, &contents, &place).await
            }
            RouteVerb::Set {
                id,
                assignments,
                expected,
            } => ROUTES.set(&context, &id, &assignments, &expected).await,
            RouteVerb::Edit { id, file, expected } => {
                ROUTES.edit(&context, &id, &file, &expected).await
            }
            RouteVerb::Move { id, to } => {
                let routes = place(&context, &id, &to).await?;
                context.output.done(&routes, &format!("route {id} moved"))
            }
            RouteVerb::Delete { id, expected } => ROUTES.delete(&context, &id, &expected).await,
        }
    }
}

async fn add(context: &Context, contents: &Contents, to: &Place) -> Result<(), Failure> {
    let object = contents.object(fields::ROUTE)?;
    let request = Request::post(Path::of(&["routes"]), object);
    let created = context.client.ask(request).await?.json()?;
    let id = words(&created["id"]);
    if to.first || to.before.is_some() {
        place(context, &id, to).await?;
    }
    context.output.done(&created, &format!("route {id} added"))
}

/// Puts the route there, if nobody has changed the routes meanwhile.
async fn place(context: &Context, id: &str, to: &Place) -> Result<Value, Failure> {
    let path = Path::of(&["routes"]);
    let answer = context.client.ask(Request::get(path.clone())).await?;
    let tag = answer.tag.clone();
    // The page that the tag is of, and those that follow.
    let routes = match answer.json()? {
        page if page["next"].is_null() => page,
        _ => context.client.pages(path, None).await?,
    };
    let items = routes["items"].as_array().map_or(&[][..], Vec::as_slice);
    let in_store = items.iter().filter(|route| route["origin"] != "file");
    let ids: Vec<&str> = in_store.filter_map(|route| route["id"].as_str()).collect();
    let order = json!({ "ids": reordered(&ids, id, to)? });
    let request = Request::put(Path::of(&["routes", "order"]), order).if_match(tag);
    context.client.ask(request).await?.json()
}

/// The order with one of them elsewhere.
fn reordered<'a>(ids: &[&'a str], id: &'a str, to: &Place) -> Result<Vec<&'a str>, Failure> {
    let find = |ids: &[&str], id: &str| {
        let place = ids.iter().position(|known| *known == id);
        place.ok_or_else(|| missing(id))
    };
    find(ids, id)?;
    let mut order: Vec<&str> = ids.iter().copied().filter(|known| *known != id).collect();
    let place = match (&to.before, &to.after) {
        (Some(before), _) => find(&order, before)?,
        (_, Some(after)) => find(&order, after)? + 1,
        _ if to.first => 0,
        _ => order.len(),
    };
    order.insert(place, id);
    Ok(order)
}

fn missing(id: &str) -> Failure {
    Failure::Refused(Problem {
        status: 404,
        body: json!({
            "title": "Not found", "status": 404,
            "detail": format!("no route {id} is in the store; those of the file stay first"),
        }),
    })
}

const COLUMNS: [Column; 7] = [
    Column::left("ID", |route| words(&route["id"]).into()),
    Column::left("FROM", |route| any(&route["from"])),
    Column::left("CALLED", |route| matched(route, "prefix", "pattern")),
    Column::left("CALLER", |route| {
        matched(route, "caller_prefix", "caller_pattern")
    }),
    Column::left("TO", to),
    Column::left("CALLED BECOMES", |route| becomes(route, "strip", "prepend")),
    Column::left("KEPT IN", object::origin),
];

fn any(value: &Value) -> Cell {
    match value.as_str() {
        None | Some("") => Cell::toned("any", Tone::Faint),
        Some(_) => words(value).into(),
    }
}

fn matched(route: &Value, prefix: &str, pattern: &str) -> Cell {
    match (route[prefix].as_str(), route[pattern].as_str()) {
        (None | Some(""), None) => Cell::toned("any", Tone::Faint),
        (Some(prefix), None) => format!("{prefix}...").into(),
        (None | Some(""), Some(pattern)) => format!("/{pattern}/").into(),
        (Some(prefix), Some(pattern)) => format!("{prefix}... /{pattern}/").into(),
    }
}

fn to(route: &Value) -> Cell {
    match route["reject"].as_u64() {
        Some(status) => Cell::toned(format!("refused with {status}"), Tone::Warning),
        None => words(&route["to"]).into(),
    }
}

/// `-2 +00`: characters that go, and what comes before the rest.
fn becomes(route: &Value, strip: &str, prepend: &str) -> Cell {
    let strip = route[strip].as_u64().filter(|count| *count > 0);
    let prepend = route[prepend].as_str().filter(|text| !text.is_empty());
    let parts = [
        strip.map(|count| format!("without {count}")),
        prepend.map(|text| format!("with {text}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => "-".into(),
        false => parts.join(", ").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(before: Option<&str>, after: Option<&str>, first: bool) -> Place {
        Place {
            first,
            last: false,
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn a_route_moves_to_where_one_says() {
        let ids = ["a", "b", "c"];
        let order = |id, to: &Place| reordered(&ids, id, to).unwrap().join("");
        assert_eq!(order("c", &place(None, None, true)), "cab");
        assert_eq!(order("a", &place(None, None, false)), "bca");
        assert_eq!(order("c", &place(Some("b"), None, false)), "acb");
        assert_eq!(order("a", &place(None, Some("b"), false)), "bac");
        for (id, to) in [
            ("x", place(None, None, true)),
            ("a", place(Some("a"), None, false)),
        ] {
            let failure = reordered(&ids, id, &to).unwrap_err();
            assert_eq!(failure.code(), 5);
        }
    }

    #[test]
    fn a_route_is_read_like_a_sentence() {
        let route =
            json!({"prefix": "+49", "strip": 3, "prepend": "0", "reject": null, "to": "pbx"});
        let cells: Vec<Cell> = COLUMNS.iter().map(|column| (column.cell)(&route)).collect();
        assert_eq!(cells[2], "+49...".into());
        assert_eq!(cells[4], "pbx".into());
        assert_eq!(cells[5], "without 3, with 0".into());
    }
}
