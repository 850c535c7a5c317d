//! A user as Slack describes them, in answers and in events: which workspaces they are of, and what became of them.
//!
//! In an Enterprise Grid organization a user has one id in all workspaces. `team_id` names the first of them, another one, or nothing;
//! `enterprise_user.teams` names them all.

use serde::Deserialize;

use super::standing::Standing;

/// What we need to know of a user.
#[derive(Debug, Default, Deserialize)]
pub struct SlackUser {
    /// Their id.
    pub id: String,
    team_id: Option<String>,
    deleted: Option<bool>,
    is_bot: Option<bool>,
    enterprise_user: Option<EnterpriseUser>,
}

#[derive(Debug, Default, Deserialize)]
struct EnterpriseUser {
    enterprise_id: Option<String>,
    teams: Option<Vec<String>>,
}

impl SlackUser {
    /// What they are to a workspace. A user without a workspace in Slack's answer is not a member of ours.
    pub fn standing(&self, our_team: &str) -> Standing {
        Standing::of(self.is_of(our_team), self.deleted.unwrap_or(false), self.is_bot.unwrap_or(false))
    }

    /// Whether a request of theirs may come by way of this workspace: it is one of theirs, or their whole organization.
    pub fn comes_from(&self, team: &str) -> bool {
        let organization = self.enterprise_user.as_ref().and_then(|user| user.enterprise_id.as_deref());
        self.is_of(team) || organization == Some(team)
    }

    fn is_of(&self, team: &str) -> bool {
        let workspaces = self.enterprise_user.as_ref().and_then(|user| user.teams.as_deref()).unwrap_or_default();
        self.team_id.as_deref() == Some(team) || workspaces.iter().any(|workspace| workspace == team)
    }

    /// The same user, of this workspace where Slack names none.
    pub fn or_of(mut self, team: &str) -> Self {
        if self.team_id.is_none() && self.enterprise_user.is_none() {
            self.team_id = Some(team.to_owned());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn user(more: Value) -> SlackUser {
        let mut user = json!({ "id": "U1", "name": "ana", "profile": {}, "updated": 1 });
        user.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(user).unwrap()
    }

    fn grid(teams: &[&str]) -> Value {
        json!({ "id": "U1", "enterprise_id": "E1", "enterprise_name": "Acme", "is_admin": false, "teams": teams })
    }

    #[test]
    fn i8_a_user_is_of_a_workspace_that_slack_names_and_of_no_other() {
        for ours in [
            json!({ "team_id": "T1" }),
            json!({ "team_id": "T1", "enterprise_user": null, "deleted": null, "is_bot": null }),
            json!({ "enterprise_user": grid(&["T2", "T1"]) }),
            json!({ "team_id": "T2", "enterprise_user": grid(&["T2", "T1"]) }),
            json!({ "team_id": "E1", "enterprise_user": grid(&["T1"]) }),
            json!({ "team_id": "T1", "enterprise_user": {} }),
        ] {
            assert_eq!(user(ours.clone()).standing("T1"), Standing::Active, "{ours}");
        }
        for stranger in [
            json!({}),
            json!({ "team_id": null }),
            json!({ "team_id": "T2" }),
            json!({ "team_id": "T2", "enterprise_user": grid(&["T2", "T3"]) }),
            json!({ "team_id": "E1", "enterprise_user": grid(&[]) }),
            json!({ "enterprise_user": { "id": "T1", "enterprise_id": "T1" } }),
        ] {
            assert_eq!(user(stranger.clone()).standing("T1"), Standing::Stranger, "{stranger}");
        }
        let gone = user(json!({ "deleted": true, "enterprise_user": grid(&["T1"]) }));
        assert_eq!(gone.standing("T1"), Standing::Deactivated);
    }

    #[test]
    fn a_workspace_is_taken_from_the_event_only_where_slack_names_none() {
        assert_eq!(user(json!({})).or_of("T1").standing("T1"), Standing::Active);
        assert_eq!(user(json!({ "team_id": "T2" })).or_of("T1").standing("T1"), Standing::Stranger);
        assert_eq!(user(json!({ "enterprise_user": grid(&["T2"]) })).or_of("T1").standing("T1"), Standing::Stranger);
    }

    #[test]
    fn a_request_comes_by_way_of_ones_workspaces_or_their_organization() {
        let ana = user(json!({ "team_id": "T2", "enterprise_user": grid(&["T2", "T1"]) }));
        assert_eq!(["T1", "T2", "E1", "T3", ""].map(|team| ana.comes_from(team)), [true, true, true, false, false]);
    }
}
