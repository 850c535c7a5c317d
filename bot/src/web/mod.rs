//! The pages. They are rendered here and work without script; what they show comes from the use cases.

mod admin;
mod assets;
pub mod confirm;
pub mod demo;
pub mod landing;
pub mod layout;
mod live;
pub mod next;
pub mod oidc;
mod parts;
pub mod problem;
pub mod seen;
pub mod sessions;
pub mod sign_in;
pub mod sign_out;
mod start_card;
mod table;
pub mod visitor;

use axum::Router;

use visitor::WebState;

/// The routes of every page that a member may see.
pub fn member_routes() -> Router<WebState> {
    sessions::routes().merge(seen::routes()).merge(admin::routes()).merge(assets::routes())
}
