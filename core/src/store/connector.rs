//! How a connection is opened: its settings, and a check that it leads to the database that it led to before.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor, Row};

use super::StoreError;
use super::file::{DatabaseFile, Fate};
use super::route::Route;

/// Opens connections to one database.
pub(super) struct Connector {
    options: AnyConnectOptions,
    settings: Settings,
    limit: Duration,
    file: Option<Arc<DatabaseFile>>,
    // Known once a connection was opened.
    route: OnceLock<Route>,
    // Known once its rows have been made: a file put in its place, or a server behind the same name, must be the same installation's.
    deployment: OnceLock<String>,
    // Further settings of a test, such as a limit to the file's size.
    #[cfg(any(test, feature = "testing"))]
    further: std::sync::Mutex<Vec<&'static str>>,
}

/// The statements that each connection begins with.
pub(super) type Settings = &'static [&'static str];

impl Connector {
    pub(super) fn new(options: AnyConnectOptions, settings: Settings, limit: Duration, file: Option<DatabaseFile>) -> Self {
        Self {
            options,
            settings,
            limit,
            file: file.map(Arc::new),
            route: OnceLock::new(),
            deployment: OnceLock::new(),
            #[cfg(any(test, feature = "testing"))]
            further: std::sync::Mutex::default(),
        }
    }

    /// Opens one. Each has the settings; one that cannot be given them is none.
    pub(super) async fn connect(&self) -> Result<AnyConnection, StoreError> {
        if let Some(file) = &self.file {
            on_disk(file, DatabaseFile::prepare).await??;
        }
        let route = self.find_route().await?;
        let mut connection = self.options.connect().await?;
        match self.set_up(&mut connection, route).await {
            Ok(()) => Ok(connection),
            Err(error) => {
                // Its own error tells less.
                let _ = connection.close().await;
                Err(error)
            }
        }
    }

    async fn find_route(&self) -> Result<Route, StoreError> {
        let route = match (self.route.get(), &self.file) {
            (Some(route), _) => return Ok(*route),
            (None, Some(_)) => Route::Sessions,
            (None, None) => Route::find(&self.options).await?,
        };
        Ok(*self.route.get_or_init(|| route))
    }

    /// How the database is reached, as far as is known.
    pub(super) fn route(&self) -> Route {
        self.route.get().copied().unwrap_or(Route::Sessions)
    }

    async fn set_up(&self, connection: &mut AnyConnection, route: Route) -> Result<(), StoreError> {
        // Behind a pooler each transaction has them for itself.
        for setting in self.settings.iter().filter(|_| route == Route::Sessions) {
            connection.execute(*setting).await?;
        }
        for setting in self.further() {
            connection.execute(setting).await?;
        }
        if let Some(ours) = self.deployment.get() {
            check_deployment(connection, ours).await?;
        }
        if let Some(file) = &self.file {
            on_disk(file, DatabaseFile::note_opened).await?;
        }
        Ok(())
    }

    #[cfg(not(any(test, feature = "testing")))]
    const fn further(&self) -> [&'static str; 0] {
        []
    }

    #[cfg(any(test, feature = "testing"))]
    fn further(&self) -> Vec<&'static str> {
        self.further.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Gives each connection from now on these settings besides.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn set_further(&self, settings: &[&'static str]) {
        *self.further.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = settings.to_vec();
    }

    /// From now on, whose database it has to be.
    pub(super) fn belongs_to(&self, deployment: &str) {
        let _ = self.deployment.set(deployment.to_owned());
    }

    /// What became of the file, where the database is one. It may block for as long as the disk does not answer.
    pub(super) fn fate(&self) -> Result<Option<Fate>, StoreError> {
        self.file.as_ref().map(|file| file.fate()).transpose()
    }

    /// Whether the database is a file.
    pub(super) const fn is_file(&self) -> bool {
        self.file.is_some()
    }

    /// How long one statement may take.
    pub(super) const fn limit(&self) -> Duration {
        self.limit
    }

    /// A test that holds it is a disk that hangs.
    #[cfg(test)]
    pub(super) fn disk(&self) -> Option<Arc<std::sync::Mutex<()>>> {
        self.file.as_ref().map(|file| Arc::clone(&file.disk))
    }
}

/// Looks at the file on a thread that may block: a disk that does not answer must not stop the runtime.
async fn on_disk<T: Send + 'static>(file: &Arc<DatabaseFile>, look: fn(&DatabaseFile) -> T) -> Result<T, StoreError> {
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || look(&file)).await.map_err(|_| StoreError::Interrupted)
}

async fn check_deployment(connection: &mut AnyConnection, ours: &str) -> Result<(), StoreError> {
    // In one message, which is one transaction: a pooler may be on the way.
    let query = sqlx::raw_sql("SELECT id FROM deployment WHERE singleton = 'this'");
    let row = match query.fetch_optional(connection).await {
        Err(error) if super::outage::is_missing_table(&error) => None,
        found => found?,
    };
    let found = row.map(|row| row.try_get::<String, _>("id")).transpose()?;
    if found.as_deref() == Some(ours) { Ok(()) } else { Err(StoreError::AnotherDatabase) }
}
