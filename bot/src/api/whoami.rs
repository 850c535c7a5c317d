//! Who the caller is, and what they may ask for.

use axum::Json;
use axum::extract::State;
use entryguard_core::domain::Terms;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::asked::Asked;
use super::auth::{Granted, ToKnow};
use super::problem::Problem;
use super::refusals::OfAll;
use super::resources::NoQuery;
use crate::http::client_address::ClientAddress;

/// Who the caller is, and what they may ask for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhoamiBody {
    /// The member's name.
    member: String,
    /// Where they can be written to.
    #[schema(required)]
    email: Option<String>,
    /// Whether they see and stop everybody's sessions.
    admin: bool,
    /// How they were recognized: `api-key:NAME`.
    identity: String,
    /// What they may do with what they showed.
    scopes: Vec<&'static str>,
    /// The address that the request came from, where it is certain: what a session would open.
    #[schema(required)]
    address: Option<String>,
    /// The names of the resources that a session opens.
    resources: Vec<String>,
    /// The longest session, and what says so.
    limit: LimitBody,
    /// The durations on offer.
    durations: Vec<String>,
    /// The duration where none is given.
    default_duration: String,
    /// How many sessions at once; null for no limit.
    #[schema(required)]
    max_sessions: Option<u32>,
    /// On what terms their roles give them that.
    terms: TermsBody,
}

/// The longest session, and what says so.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LimitBody {
    /// `8h`.
    longest: String,
    /// `role developers`, `tier team`.
    set_by: String,
}

/// On what terms a member may ask.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TermsBody {
    /// Whose approval it takes; null where it takes none.
    #[schema(required)]
    approval: Option<ApprovalBody>,
    /// Whether the approval may be done without in an emergency.
    break_glass: bool,
    /// Whether an address may be given by hand.
    explicit_ip: bool,
    /// How long a confirmed address may be used again in a chat; null where not at all.
    #[schema(required)]
    remember_address: Option<String>,
}

/// Whose approval a session takes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ApprovalBody {
    /// Who may agree.
    approvers: Vec<String>,
    /// How long they have.
    within: String,
}

/// Says who the caller is, and what they may ask for. It takes no scope.
#[utoipa::path(
    get, path = "/api/v1/whoami", tag = "whoami", operation_id = "whoami",
    responses((status = 200, description = "Who the caller is", body = WhoamiBody), OfAll)
)]
pub async fn show(
    State(state): State<ApiState>,
    Granted { caller, .. }: Granted<ToKnow>,
    client: ClientAddress,
    Asked(NoQuery {}): Asked<NoQuery>,
) -> Result<Json<WhoamiBody>, Problem> {
    let (directory, name) = (state.shared.engine.directory(), caller.name());
    let limit = directory.limit_of(name);
    Ok(Json(WhoamiBody {
        member: name.to_string(),
        email: caller.email().map(str::to_owned),
        admin: caller.is_admin(),
        identity: caller.identity().to_string(),
        scopes: caller.scopes().iter().map(|scope| scope.as_str()).collect(),
        address: client.0.ok().map(|address| address.ip().to_string()),
        resources: directory.resources_of(name).iter().map(|resource| resource.name.to_string()).collect(),
        limit: LimitBody { longest: limit.longest.to_string(), set_by: limit.set_by.to_string() },
        durations: directory.durations_for(name).iter().map(ToString::to_string).collect(),
        default_duration: directory.default_duration_for(name).to_string(),
        max_sessions: directory.organization.tier.max_sessions_per_member,
        terms: TermsBody::new(directory.terms_of(name)),
    }))
}

impl TermsBody {
    fn new(terms: Terms) -> Self {
        let Terms { approval, break_glass, remember_address, explicit_ip } = terms;
        let approval = approval.map(|approval| ApprovalBody {
            approvers: approval.approvers.iter().map(ToString::to_string).collect(),
            within: approval.within.to_string(),
        });
        Self { approval, break_glass, explicit_ip, remember_address: remember_address.map(|span| span.to_string()) }
    }
}
