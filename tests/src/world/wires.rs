//! The ways from a server to its cloud and its database, which a test can cut.

use crate::wire::Wire;

/// What leads from the world's server to its peers.
#[derive(Debug)]
pub struct Wires {
    /// To the cloud.
    pub cloud: Wire,
    /// To Postgres; nothing where the database is a file.
    pub database: Option<Wire>,
    pub(super) cloud_address: String,
    /// The server's `[database] url`.
    pub(super) database_url: String,
    // Where Postgres itself listens.
    postgres: String,
}

impl Wires {
    pub(super) async fn before(cloud: &str, database_url: &str) -> Self {
        let to_cloud = Wire::to(cloud.strip_prefix("http://").expect("the cloud is on loopback")).await;
        let cloud_address = format!("http://127.0.0.1:{}", to_cloud.port());
        let postgres = host_and_port(database_url).map(str::to_owned).unwrap_or_default();
        let database = if postgres.is_empty() { None } else { Some(Wire::to(&postgres).await) };
        let database_url = database_url.to_owned();
        let mut wires = Self { cloud: to_cloud, database, cloud_address, database_url, postgres };
        if let Some(wire) = &wires.database {
            wires.database_url = wires.url_of(&wires.postgres, wire);
        }
        wires
    }

    /// Another way to the same Postgres, for another replica.
    pub async fn another_to_the_database(&self) -> Wire {
        Wire::to(&self.postgres).await
    }

    pub(super) fn database_url_through(&self, wire: &Wire) -> String {
        let own = self.database.as_ref().map(|wire| format!("127.0.0.1:{}", wire.port())).unwrap_or_default();
        self.url_of(&own, wire)
    }

    fn url_of(&self, address: &str, wire: &Wire) -> String {
        self.database_url.replace(address, &format!("127.0.0.1:{}", wire.port()))
    }
}

/// `HOST:PORT` of `postgres://USER@HOST:PORT/NAME`; nothing of a file's URL.
fn host_and_port(url: &str) -> Option<&str> {
    let (_, rest) = url.strip_prefix("postgres")?.split_once("://")?;
    let (authority, _) = rest.split_once('/')?;
    Some(authority.rsplit_once('@').map_or(authority, |(_, address)| address))
}
