//! The pages. They are rendered here and work without script; what they show comes from the use cases.

mod admin;
mod asked;
mod assets;
pub mod confirm;
pub mod demo;
pub mod landing;
pub mod layout;
mod live;
pub mod next;
mod offer_page;
pub mod oidc;
mod parts;
mod past;
pub mod problem;
pub mod seen;
pub mod sessions;
pub mod sign_in;
pub mod sign_out;
mod start_card;
mod table;
pub mod visitor;
mod warnings;

use axum::Router;
use axum::response::Response;
use http::StatusCode;

use visitor::WebState;

/// The answer of every path that nothing is at.
pub async fn nothing_here() -> Response {
    let why = "There is no page at this address. It may have been a part of one, or a link may have been cut off.";
    problem::problem(StatusCode::NOT_FOUND, "No such page", why)
}

/// The answer of a page's path to what is not asked for so: a form's address that was typed or loaded again is the commonest.
pub async fn not_like_this() -> Response {
    let why = "This address takes a form of one of the pages, and shows nothing by itself. Nothing was done.";
    problem::problem(StatusCode::METHOD_NOT_ALLOWED, "Not a page", why)
}

/// The answer to what was neither there nor answered in time.
pub fn too_late() -> Response {
    let why = "This took too long to arrive or to be answered, and was broken off. What it asked for may have been done all the same: \
               look before you send it again.";
    problem::problem(StatusCode::REQUEST_TIMEOUT, "Too late", why)
}

/// The answer to what there is no memory or no connection for.
pub fn too_much() -> Response {
    let why = "The server reads too much at once, so nothing of this was done. Send it again in a moment.";
    problem::problem(StatusCode::SERVICE_UNAVAILABLE, "Not now", why)
}

/// The routes of every page that a member may see, and of those behind their links.
pub fn member_routes() -> Router<WebState> {
    sessions::routes().merge(confirm::routes()).merge(seen::routes()).merge(admin::routes()).merge(assets::routes())
}
