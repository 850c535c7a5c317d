//! The audit log, for administrators.

use axum::Json;
use axum::extract::State;
use entryguard_core::domain::AuditEntry;
use entryguard_core::engine::AuditPart;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ApiState;
use super::asked::{Asked, AuditQuery};
use super::auth::{Granted, ToAudit};
use super::problem::Problem;
use super::refusals::OfAll;

/// A part of the audit log, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditBody {
    entries: Vec<EntryBody>,
    /// What to give as `cursor` for the next part; null where there is none.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// One entry of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EntryBody {
    /// Its place in the log.
    seq: i64,
    /// Its id.
    id: String,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who.
    actor: String,
    /// Where they acted.
    #[schema(required)]
    surface: Option<String>,
    /// What was done: `session.started`.
    action: String,
    /// To which session.
    #[schema(required)]
    session: Option<String>,
    /// The facts.
    #[schema(value_type = Object)]
    details: Value,
    /// The hash of the entry before.
    #[schema(required)]
    prev_hash: Option<String>,
    /// The hash of this one.
    #[schema(required)]
    hash: Option<String>,
}

/// Lists entries of the audit log, for administrators, the newest first.
#[utoipa::path(
    get, path = "/api/v1/audit-logs", tag = "audit", operation_id = "listAuditLogs", params(AuditQuery),
    responses((status = 200, description = "A part of the log", body = AuditBody), OfAll)
)]
pub async fn list(
    State(state): State<ApiState>,
    Granted { caller, .. }: Granted<ToAudit>,
    Asked(query): Asked<AuditQuery>,
) -> Result<Json<AuditBody>, Problem> {
    let AuditPart { entries, next } = state.shared.engine.audit(&caller, query.filter()?).await?;
    Ok(Json(AuditBody {
        entries: entries.into_iter().map(EntryBody::new).collect(),
        next_cursor: next.map(|seq| seq.to_string()),
    }))
}

impl EntryBody {
    fn new(entry: AuditEntry) -> Self {
        let AuditEntry { seq, id, at, actor, surface, action, session, details, prev_hash, hash } = entry;
        // What is no JSON any more was changed by somebody; `audit verify` says so.
        let details = serde_json::from_str(&details).unwrap_or(Value::String(details));
        Self { seq, id, at: at.to_the_millisecond(), actor, surface, action, session, details, prev_hash, hash }
    }
}
