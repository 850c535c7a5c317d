//! The use cases: each changes what is wanted in one transaction, and calls no cloud.

use super::world::{Opening, OpeningState, Session, Variant, World};

impl World {
    /// `engine/start.rs`, `wish`: joins the opening that is there for the address, or asks for a new one.
    pub fn start(&mut self, session: usize, variant: Variant) {
        let opening = match self.joinable(variant) {
            Some(opening) => {
                self.openings[opening].due = true;
                opening
            }
            None => {
                self.openings.push(Opening::new());
                self.openings.len() - 1
            }
        };
        self.sessions[session] = Session::Live { opening, active: false };
    }

    /// `engine/ending.rs`, `end_session`: the wish is over, and the opening is due.
    pub fn end(&mut self, session: usize) {
        if let Session::Live { opening, .. } = self.sessions[session] {
            self.sessions[session] = Session::Ended;
            let opening = &mut self.openings[opening];
            opening.due |= opening.state != OpeningState::Gone;
        }
    }

    /// `store/openings.rs`, `joinable`: what is there or on its way, and not on its way out.
    pub fn joinable(&self, variant: Variant) -> Option<usize> {
        self.openings.iter().position(|opening| match opening.state {
            OpeningState::Adding | OpeningState::Present => true,
            OpeningState::Removing => variant == Variant::RevivesRemovals,
            OpeningState::Gone => false,
        })
    }

    /// `store/openings.rs`, `wish_for`: an opening is wanted while a live session wants it.
    pub fn is_wanted(&self, opening: usize) -> bool {
        self.sessions.iter().any(|session| matches!(session, Session::Live { opening: its, .. } if *its == opening))
    }
}
