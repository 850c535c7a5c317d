//! Resources, as whoever may open them sees them.

use axum::Json;
use axum::extract::State;
use entryguard_core::domain::{Resource, ResourceKind, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiState;
use super::asked::Asked;
use super::auth::{Granted, ToSeeResources};
use super::problem::Problem;
use super::refusals::OfAll;

/// What the caller's roles give them; everything there is, for administrators.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourcesBody {
    resources: Vec<ResourceBody>,
}

/// One thing with an allowlist.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ResourceBody {
    /// Its name.
    id: String,
    /// Its name.
    name: String,
    /// AWS or FILE.
    provider: String,
    /// `security_group` or `allowlist`.
    resource_type: &'static str,
    /// The provider's own name of it: `sg-…`, a path.
    resource_identifier: String,
    /// Where it is, where that means something.
    #[schema(required)]
    region: Option<String>,
    /// How it is reached, where that means something.
    #[schema(required)]
    credential_id: Option<String>,
    /// What a session opens on it.
    ports: Vec<PortsBody>,
    /// Whether sessions open it: whatever is configured is.
    is_active: bool,
    /// VALID where the last look found it in order, INVALID where it did not, UNVERIFIED before the first look.
    health: &'static str,
    /// What the last look did not find in order.
    #[schema(required)]
    health_message: Option<String>,
    /// When it was looked at last.
    #[schema(required, format = DateTime)]
    last_verified_at: Option<String>,
}

/// Ports of one protocol.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PortsBody {
    /// `tcp`, `udp`.
    protocol: String,
    /// The first port.
    from_port: u16,
    /// The last port.
    to_port: u16,
}

/// Nothing can be asked.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

/// Lists the resources that the caller's roles give them; all of them, for administrators.
#[utoipa::path(
    get, path = "/api/v1/resources", tag = "resources", operation_id = "listResources",
    responses((status = 200, description = "The resources, by name", body = ResourcesBody), OfAll)
)]
pub async fn list(
    State(state): State<ApiState>,
    Granted { caller, .. }: Granted<ToSeeResources>,
    Asked(NoQuery {}): Asked<NoQuery>,
) -> Result<Json<ResourcesBody>, Problem> {
    let (engine, directory) = (&state.shared.engine, state.shared.engine.directory());
    let seen = engine.last_sweeps().await?;
    let resources = match caller.is_admin() {
        true => directory.resources.values().collect(),
        false => directory.resources_of(caller.name()),
    };
    let resources = resources.into_iter().map(|resource| ResourceBody::new(resource, seen.get(&resource.name))).collect();
    Ok(Json(ResourcesBody { resources }))
}

impl ResourceBody {
    fn new(resource: &Resource, seen: Option<&(Timestamp, Option<String>)>) -> Self {
        let (provider, resource_type) = resource.kind_words();
        let group = match &resource.kind {
            ResourceKind::SecurityGroup(group) => Some(group),
            ResourceKind::AllowlistFile(_) => None,
        };
        let ports = group.map(|group| {
            group.ports.iter().map(|ports| PortsBody {
                protocol: ports.protocol().as_str().to_owned(),
                from_port: ports.from(),
                to_port: ports.to(),
            })
        });
        let (health, health_message) = match seen {
            None => ("UNVERIFIED", None),
            Some((_, None)) => ("VALID", None),
            Some((_, Some(error))) => ("INVALID", Some(error.clone())),
        };
        Self {
            id: resource.name.to_string(),
            name: resource.name.to_string(),
            provider: provider.to_ascii_uppercase(),
            resource_type,
            resource_identifier: resource.provider_id(),
            region: group.map(|group| group.region.clone()),
            credential_id: group.map(|group| group.credential.to_string()),
            ports: ports.into_iter().flatten().collect(),
            is_active: true,
            health,
            health_message,
            last_verified_at: seen.map(|(at, _)| at.to_string()),
        }
    }
}
