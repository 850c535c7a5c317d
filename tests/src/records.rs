//! What the program has written down in its database, read from beside it: what was wanted when, and the audit log.

use std::time::Duration;

use sqlx::any::{AnyRow, install_default_drivers};
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Row};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::database::OwnDatabase;

const ENDS: [&str; 2] = ["session.stopped", "session.expired"];

/// A reader of the program's database.
#[derive(Debug)]
pub struct Records {
    connection: AnyConnection,
}

/// One session × one resource × one address, with its session's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The session's id.
    pub session: String,
    /// The resource's name.
    pub resource: String,
    /// The address, without a prefix length.
    pub address: String,
    /// `APPLIED`, ….
    pub status: String,
    /// When its time runs out, in milliseconds since 1970.
    pub expires_at: i64,
    /// When it was stopped or had run out.
    pub ended_at: Option<i64>,
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// `session.started`, ….
    pub action: String,
    /// Which session it is about.
    pub session: Option<String>,
}

impl Wish {
    /// From when on nobody wants it for this session's sake.
    pub fn over_at(&self) -> i64 {
        self.ended_at.map_or(self.expires_at, |ended| ended.min(self.expires_at))
    }
}

impl Records {
    pub(crate) async fn of(database: &OwnDatabase) -> Self {
        install_default_drivers();
        let connection = AnyConnection::connect(&database.url).await.expect("the database is there");
        Self { connection }
    }

    /// The id that the program marks its rules with.
    pub async fn deployment(&mut self) -> String {
        self.rows("SELECT id FROM deployment").await.iter().map(|row| row.get("id")).next().expect("the program has been started")
    }

    /// Every wish that there ever was, in order of the sessions' starts.
    pub async fn wishes(&mut self) -> Vec<Wish> {
        self.try_wishes().await.expect("the database answers")
    }

    /// The same while the database may not answer.
    pub async fn try_wishes(&mut self) -> Result<Vec<Wish>, sqlx::Error> {
        let sql = "SELECT sessions.id AS session, resource, address, status, expires_at, ended_at
                   FROM session_rules JOIN sessions ON sessions.id = session_rules.session ORDER BY started_at, resource, address";
        let wish = |row: &AnyRow| Wish {
            session: row.get("session"),
            resource: row.get("resource"),
            address: row.get("address"),
            status: row.get("status"),
            expires_at: row.get("expires_at"),
            ended_at: row.get("ended_at"),
        };
        Ok(sqlx::query(sql).fetch_all(&mut self.connection).await?.iter().map(wish).collect())
    }

    /// How many sessions have ever been started.
    pub async fn sessions(&mut self) -> usize {
        self.rows("SELECT id FROM sessions").await.len()
    }

    /// The audit log, oldest first.
    pub async fn audit(&mut self) -> Vec<AuditEntry> {
        let entry = |row: &AnyRow| AuditEntry { action: row.get("action"), session: row.get("session") };
        self.rows("SELECT action, session FROM audit_events ORDER BY seq").await.iter().map(entry).collect()
    }

    /// How many of Postgres's clients have written in a transaction that has stood still for a moment since.
    pub async fn transactions_that_stand_still(&mut self) -> i64 {
        let sql = "SELECT COUNT(*) AS found FROM pg_stat_activity WHERE datname = current_database() AND backend_xid IS NOT NULL
                   AND state = 'idle in transaction' AND clock_timestamp() - state_change > interval '0.2 s'";
        self.rows(sql).await[0].get("found")
    }

    /// What the log has of sessions that is not as it must be: each started once, ended once at the most, with nothing
    /// opened after its end, and closed no sooner.
    pub async fn what_the_audit_log_gets_wrong(&mut self) -> Vec<String> {
        let audit = self.audit().await;
        let mut sessions: Vec<_> = audit.iter().filter_map(|entry| entry.session.clone()).collect();
        sessions.sort();
        sessions.dedup();
        let wrong = |session: &String| {
            let told: Vec<_> = audit.iter().filter(|entry| entry.session.as_ref() == Some(session)).collect();
            let times = |actions: &[&str]| told.iter().filter(|entry| actions.contains(&entry.action.as_str())).count();
            let (starts, ends) = (times(&["session.started"]), times(&ENDS));
            let closed = times(&["session.closed"]);
            let after_its_end = told.iter().skip_while(|entry| !ENDS.contains(&entry.action.as_str()));
            let opened_late = after_its_end.filter(|entry| entry.action == "rule.applied").count();
            let in_order = told[0].action == "session.started" && opened_late == 0;
            let right = starts == 1 && ends <= 1 && closed <= ends && in_order;
            (!right).then(|| format!("{session}: {:?}", told.iter().map(|entry| &entry.action).collect::<Vec<_>>()))
        };
        sessions.iter().filter_map(wrong).collect()
    }

    /// Makes every reminder due.
    pub async fn remind_now(&mut self) {
        let sql = "UPDATE sessions SET remind_at = 1 WHERE remind_at IS NOT NULL";
        sqlx::query(sql).execute(&mut self.connection).await.expect(sql);
    }

    /// Keeps everybody from one-time links for so long from here on, as a slow disk would. For Postgres alone.
    pub async fn hold_up(self, patience: Duration) -> JoinHandle<()> {
        self.hold(tokio::time::sleep(patience), "LOCK TABLE confirmations").await
    }

    /// The same until the sender says so, or is dropped.
    pub async fn hold_up_until_told(self) -> (oneshot::Sender<()>, JoinHandle<()>) {
        let (release, released) = oneshot::channel();
        (release, self.hold(released, "LOCK TABLE confirmations").await)
    }

    /// Keeps everybody from accepting a request for so long from here on. For Postgres alone.
    pub async fn hold_up_accepting(self, patience: Duration) -> JoinHandle<()> {
        self.hold(tokio::time::sleep(patience), "LOCK TABLE accepted_requests").await
    }

    /// Keeps everybody from opening anything more for so long from here on, once they have come as far as that. For Postgres alone.
    pub async fn hold_up_resources(self, patience: Duration) -> JoinHandle<()> {
        self.hold(tokio::time::sleep(patience), "SELECT * FROM resources FOR UPDATE").await
    }

    /// Adds a column to every table, as a later version may. For Postgres alone.
    pub async fn add_columns(&mut self) {
        let tables = "SELECT CAST(table_name AS TEXT) AS name FROM information_schema.tables
                      WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_sqlx%'";
        let tables: Vec<String> = self.rows(tables).await.iter().map(|row| row.get("name")).collect();
        assert!(tables.len() > 10, "{tables:?}");
        for table in tables {
            let sql = format!("ALTER TABLE {table} ADD COLUMN of_a_later_version TEXT");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut self.connection).await.expect("a column more");
        }
    }

    /// How many wait for what somebody else holds. For Postgres alone.
    pub async fn held_up(&mut self) -> i64 {
        let sql = "SELECT count(*) AS held FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
        self.rows(sql).await[0].get("held")
    }

    /// Holds it once this returns.
    async fn hold<T>(mut self, until: impl Future<Output = T> + Send + 'static, lock: &'static str) -> JoinHandle<()> {
        for sql in ["BEGIN", lock] {
            sqlx::query(sql).execute(&mut self.connection).await.expect(sql);
        }
        tokio::spawn(async move {
            drop(until.await);
            sqlx::query("ROLLBACK").execute(&mut self.connection).await.expect("it was only waited");
        })
    }

    async fn rows(&mut self, sql: &'static str) -> Vec<AnyRow> {
        sqlx::query(sql).fetch_all(&mut self.connection).await.expect(sql)
    }
}
