//! The pages. They are rendered here and work without script; what they show comes from the use cases.

pub mod confirm;
pub mod demo;
pub mod landing;
pub mod layout;
pub mod problem;
pub mod sessions;
pub mod visitor;
