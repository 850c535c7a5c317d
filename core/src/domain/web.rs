//! How long a browser stays signed in, and what a cookie that it shows is worth.

use super::{Span, Timestamp};

/// How long a browser stays signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WebLimits {
    /// Without being used.
    pub idle: Span,
    /// At the most.
    pub longest: Span,
}

/// The cookie is exchanged this often at the most.
const RENEWED: Span = Span::from_hours(1);
/// For requests that were under way with the cookie before.
const GRACE: Span = Span::from_minutes(1);

impl Default for WebLimits {
    fn default() -> Self {
        Self { idle: Span::from_hours(8), longest: Span::from_hours(7 * 24) }
    }
}

impl WebLimits {
    /// After how long the cookie is exchanged.
    pub fn renewed_after(self) -> Span {
        RENEWED.min(self.part(8))
    }

    /// How long the cookie before counts once the new one was seen.
    pub fn grace(self) -> Span {
        GRACE.min(self.part(16))
    }

    /// How exactly it is noted when a browser was seen: a write for every request would cost more than it tells.
    pub fn noted_after(self) -> Span {
        GRACE.min(self.part(16))
    }

    fn part(self, of: i64) -> Span {
        Span::from_millis(self.idle.as_millis() / of)
    }
}

/// When what happened to a signed-in browser's cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieTimes {
    /// When the newest cookie was made.
    pub renewed_at: Timestamp,
    /// When the browser was last seen.
    pub seen_at: Timestamp,
    /// When it has to sign in again, whatever it does.
    pub expires_at: Timestamp,
    /// Which cookie was shown.
    pub shown: ShownCookie,
}

/// Which cookie was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownCookie {
    /// The newest.
    Newest {
        /// Whether nobody has shown the newest before.
        first: bool,
    },
    /// The one before, and until when it counts; without an end where the newest was never shown.
    Before(Option<Timestamp>),
    /// One of the same sign-in that is neither.
    Older,
}

/// What a cookie is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CookieWorth {
    /// It is good, and stays.
    Good,
    /// It is good, and to be exchanged.
    Renew,
    /// Its time is over.
    Over,
    /// It was exchanged long ago, and the new one is in use: one of two who have it should not.
    Stale,
}

impl CookieTimes {
    /// What the cookie is worth now.
    pub fn worth(&self, now: Timestamp, limits: WebLimits) -> CookieWorth {
        if now >= self.expires_at || now >= self.seen_at.plus(limits.idle) {
            return CookieWorth::Over;
        }
        match self.shown {
            ShownCookie::Newest { .. } if now >= self.renewed_at.plus(limits.renewed_after()) => CookieWorth::Renew,
            ShownCookie::Newest { .. } => CookieWorth::Good,
            ShownCookie::Older => CookieWorth::Stale,
            ShownCookie::Before(Some(until)) if now >= until => CookieWorth::Stale,
            // The answer with the new cookie was lost on its way, it seems.
            ShownCookie::Before(None) if now >= self.renewed_at.plus(limits.grace()) => CookieWorth::Renew,
            ShownCookie::Before(_) => CookieWorth::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOON: Timestamp = Timestamp::from_millis(1_767_268_800_000);
    const NEWEST: ShownCookie = ShownCookie::Newest { first: false };

    fn times(shown: ShownCookie) -> CookieTimes {
        CookieTimes { renewed_at: NOON, seen_at: NOON, expires_at: NOON.plus(Span::from_hours(24)), shown }
    }

    #[test]
    fn a_cookie_is_exchanged_every_hour_and_over_when_it_was_not_used() {
        let limits = WebLimits::default();
        let worth = |minutes| times(NEWEST).worth(NOON.plus(Span::from_minutes(minutes)), limits);
        assert_eq!(worth(59), CookieWorth::Good);
        assert_eq!(worth(60), CookieWorth::Renew);
        assert_eq!(worth(8 * 60), CookieWorth::Over);
    }

    #[test]
    fn the_cookie_before_counts_for_requests_under_way_and_gives_a_copy_away_later() {
        let limits = WebLimits::default();
        let until = NOON.plus(limits.grace());
        let just_before = Timestamp::from_millis(until.as_millis() - 1);
        assert_eq!(times(ShownCookie::Before(Some(until))).worth(just_before, limits), CookieWorth::Good);
        assert_eq!(times(ShownCookie::Before(Some(until))).worth(until, limits), CookieWorth::Stale);
        assert_eq!(times(ShownCookie::Older).worth(NOON, limits), CookieWorth::Stale);
        assert_eq!(times(ShownCookie::Before(None)).worth(just_before, limits), CookieWorth::Good);
        assert_eq!(times(ShownCookie::Before(None)).worth(until, limits), CookieWorth::Renew, "a lost answer signs nobody out");
    }

    proptest! {
        #[test]
        fn no_cookie_is_good_past_a_limit(idle in 1i64..100_000, longest in 1i64..100_000, seen in 0i64..100_000, at in 0i64..300_000) {
            let limits = WebLimits { idle: Span::from_millis(idle), longest: Span::from_millis(longest) };
            let (seen_at, expires_at) = (NOON.plus(Span::from_millis(seen)), NOON.plus(limits.longest));
            for shown in [NEWEST, ShownCookie::Before(None), ShownCookie::Before(Some(NOON.plus(Span::from_hours(1))))] {
                let times = CookieTimes { renewed_at: NOON, seen_at, expires_at, shown };
                let good = matches!(times.worth(NOON.plus(Span::from_millis(at)), limits), CookieWorth::Good | CookieWorth::Renew);
                prop_assert!(!good || (at < longest && at < seen + idle));
            }
        }
    }
}
