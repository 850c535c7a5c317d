//! Security groups that no configuration describes: named on a command line, reached with the credentials of the environment.

use entryguard_core::domain::{Credential, CredentialName, DeploymentId, NameError, Ports, ResourceName, SecurityGroup};

use crate::{Clients, SecurityGroupAllowlist};

/// The groups of one region, by their ids.
pub async fn groups_of_the_environment(
    ids: &[String],
    region: &str,
    ports: &[Ports],
    owner: &DeploymentId,
) -> Result<Vec<(ResourceName, SecurityGroupAllowlist)>, NameError> {
    let credential = Credential::ambient(CredentialName::new("environment")?);
    let client = Clients::default().connect(&credential, region).await;
    let group = |id: &String| {
        let described = SecurityGroup {
            id: id.clone(),
            region: region.to_owned(),
            credential: credential.name.clone(),
            ports: ports.to_vec(),
        };
        Ok((ResourceName::new(id)?, SecurityGroupAllowlist::new(client.clone(), &described, owner.clone())))
    };
    ids.iter().map(group).collect()
}
