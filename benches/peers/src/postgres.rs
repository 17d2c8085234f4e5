//! Run a PostgreSQL primary with two standbys and insert rows.

use crate::place::{Server, free_ports, until};
use crate::round::{self, Order, Round, Writer};
use rustix::process::Signal;
use std::error::Error;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokio_postgres::{Client, NoTls, Statement};

/// Where Debian puts version 15.
const BINARIES: &str = "/usr/lib/postgresql/15/bin";
/// Who runs it: its programs refuse root.
const USER: &str = "postgres";
const STANDBYS: [&str; 2] = ["s1", "s2"];
/// Writes under way at once: each is a connection, and a process.
const CONNECTIONS_MAX: usize = 256;

/// A primary that answers when one of two standbys has flushed too.
pub struct Postgres {
    servers: Vec<Server>,
    port: u16,
    /// Which version answers.
    pub version: String,
}

impl Postgres {
    /// Makes and starts all three, and waits until both standbys stream.
    pub async fn start(folder: &Path) -> Result<Postgres, Box<dyn Error>> {
        let user = User::find()?;
        user.own(folder)?;
        let ports = free_ports(1 + STANDBYS.len())?;
        let primary = folder.join("primary");
        user.run("initdb", &["-A", "trust", "-U", USER, "-D", text(&primary)?])?;
        let names = STANDBYS.join(",");
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = {}\n\
             synchronous_standby_names = 'ANY 1 ({names})'\n",
            CONNECTIONS_MAX + 20
        );
        let file = primary.join("postgresql.conf");
        std::fs::write(&file, std::fs::read_to_string(&file)? + &settings)?;
        let mut servers = vec![user.serve(&primary, ports[0])?];
        let admin = until("the primary", || connect(ports[0])).await?;
        for (name, port) in STANDBYS.iter().zip(&ports[1..]) {
            let data = folder.join(name);
            let source = format!("host=127.0.0.1 port={} user={USER} application_name={name}", ports[0]);
            user.run("pg_basebackup", &["-D", text(&data)?, "-d", &source, "-R", "-X", "stream", "-c", "fast"])?;
            servers.push(user.serve(&data, *port)?);
        }
        until("two standbys stream", || async {
            let streaming =
                "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'quorum'";
            let count: i64 = admin.query_one(streaming, &[]).await?.get(0);
            if count == STANDBYS.len() as i64 { Ok(()) } else { Err(format!("{count} do").into()) }
        })
        .await?;
        admin.batch_execute("CREATE TABLE records (id text PRIMARY KEY, value bytea NOT NULL)").await?;
        let version: String = admin.query_one("SHOW server_version", &[]).await?.get(0);
        // After the number Debian names its package.
        let version = format!("PostgreSQL {}", version.split(' ').next().unwrap_or_default());
        Ok(Postgres { servers, port: ports[0], version })
    }

    /// The three servers' first processes; the others are their children.
    pub fn pids(&self) -> Vec<u32> {
        self.servers.iter().map(Server::pid).collect()
    }

    /// Keeps inserts under way, each on a connection of its own. There is one place to write to.
    pub async fn run(&self, order: Order) -> Result<Round, Box<dyn Error>> {
        if order.in_flight > CONNECTIONS_MAX {
            return Err(format!("at most {CONNECTIONS_MAX} connections").into());
        }
        let mut inserts = Vec::new();
        for _ in 0..order.in_flight {
            let client = connect(self.port).await?;
            let insert = client.prepare("INSERT INTO records (id, value) VALUES ($1, $2)").await?;
            inserts.push(Inserts { client, insert });
        }
        round::run(inserts, order).await
    }
}

async fn connect(port: u16) -> Result<Client, Box<dyn Error>> {
    let (client, connection) =
        tokio_postgres::connect(&format!("host=127.0.0.1 port={port} user={USER} dbname=postgres"), NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

struct Inserts {
    client: Client,
    insert: Statement,
}

impl Writer for Inserts {
    async fn write(&mut self, key: String, value: Vec<u8>) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.client.execute(&self.insert, &[&key, &value]).await?;
        Ok(())
    }
}

/// As whom its programs run: ourselves, unless we are root.
struct User {
    other: Option<(u32, u32)>,
}

impl User {
    fn find() -> Result<User, Box<dyn Error>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(User { other: None });
        }
        let passwd = std::fs::read_to_string("/etc/passwd")?;
        let fields = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == USER);
        let fields = fields.ok_or("no user is called postgres: install Debian's postgresql")?;
        Ok(User { other: Some((fields[2].parse()?, fields[3].parse()?)) })
    }

    fn own(&self, folder: &Path) -> std::io::Result<()> {
        let Some((user, group)) = self.other else { return Ok(()) };
        chown(folder, Some(user), Some(group))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(PathBuf::from(BINARIES).join(program));
        if let Some((user, group)) = self.other {
            command.uid(user).gid(group);
        }
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), Box<dyn Error>> {
        let ended = self.command(program).args(arguments).stderr(Stdio::piped()).output()?;
        let reason = || format!("{program}: {}", String::from_utf8_lossy(&ended.stderr));
        if ended.status.success() { Ok(()) } else { Err(reason().into()) }
    }

    fn serve(&self, data: &Path, port: u16) -> Result<Server, Box<dyn Error>> {
        let mut command = self.command("postgres");
        command.args(["-D", text(data)?, "-p", &port.to_string()]);
        command.stderr(std::fs::File::create(data.with_extension("log"))?);
        // At SIGINT it ends its connections and then itself.
        Ok(Server::start(&mut command, Signal::INT)?)
    }
}

fn text(path: &Path) -> Result<&str, Box<dyn Error>> {
    path.to_str().ok_or_else(|| "the folder's path is not UTF-8".into())
}
