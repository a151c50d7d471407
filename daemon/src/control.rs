//! The control socket: a Unix socket beside the store, or where systemd says. Whoever may open it runs this installation
//! and needs no token; the file's mode and group decide who may (root, stockd and members of its group).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use async_trait::async_trait;
use schemas::{Identity, Role};
use tokio::net::{UnixListener, UnixStream};

use crate::config::Environment;
use crate::http::edge::{Listener, Peer};
use crate::people::auth::CONTROL_PREFIX;

/// Where the socket of an installed daemon is.
pub(crate) const INSTALLED: &str = "/run/stockd/control";
/// For the user and the group that stockd runs as.
const MODE: u32 = 0o660;
/// Where the names of users are.
const PASSWD: &str = "/etc/passwd";

/// The open socket; its file goes with it.
pub struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// Where the control socket of a daemon is that systemd did not start: beside its store.
pub(crate) fn beside(store: &Path) -> PathBuf {
    store.with_added_extension("control")
}

impl ControlSocket {
    /// Opens it. The caller has the store's lock, so a socket that is there already is left over.
    ///
    /// # Errors
    /// With the path and the reason.
    pub(crate) fn open(environment: &Environment, store: &Path) -> anyhow::Result<Self> {
        let folder = environment.var("RUNTIME_DIRECTORY");
        // systemd separates several by colons.
        let folder = folder.and_then(|folders| folders.split(':').next());
        let path = match folder {
            Some(folder) => Path::new(folder).join("control"),
            None => beside(store),
        };
        let left = std::fs::symlink_metadata(&path);
        if left.is_ok_and(|left| left.file_type().is_socket()) {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove what is left of {}", path.display()))?;
        }
        let listener = UnixListener::bind(&path)
            .with_context(|| format!("cannot open the control socket {}", path.display()))?;
        let mode = std::fs::Permissions::from_mode(MODE);
        std::fs::set_permissions(&path, mode)
            .with_context(|| format!("cannot say who may use {}", path.display()))?;
        Ok(Self { listener, path })
    }

    /// The path of its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[async_trait]
impl Listener for ControlSocket {
    type Stream = UnixStream;

    async fn accept(&mut self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.listener.accept().await?;
        let peer = Peer {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            unix_user: Some(stream.peer_cred()?.uid()),
        };
        Ok((stream, peer))
    }
}

/// Who comes by the control socket: an admin of every shop, under the name of the Unix user.
pub(crate) fn identity(uid: u32) -> Option<Identity> {
    // Read each time: it is small and at hand, and whoever was added meanwhile is named, too.
    let passwd = std::fs::read_to_string(PASSWD).unwrap_or_default();
    let name = user_name(&passwd, uid).map_or_else(|| uid.to_string(), str::to_owned);
    let user = format!("{CONTROL_PREFIX}{name}").parse().ok()?;
    Some(Identity::unlimited(user, Role::SuperAdmin))
}

fn user_name(passwd: &str, uid: u32) -> Option<&str> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1) == Some(uid.as_str())).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_user_is_named_as_the_system_does() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\n:x:9::\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(user_name(passwd, 0), Some("root"));
        assert_eq!(user_name(passwd, 1000), Some("ann"));
        assert_eq!(user_name(passwd, 9), None);
        let unknown = identity(4_000_000_000).unwrap();
        assert_eq!(unknown.user_id.as_str(), "unix:4000000000");
    }

    #[tokio::test]
    async fn what_a_daemon_left_behind_when_it_was_killed_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("stockd.db");
        let path = beside(&store);
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let socket = ControlSocket::open(&Environment::default(), &store).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!((socket.path(), mode & 0o777), (path.as_path(), 0o660));
        drop(socket);
        assert!(!path.exists());
        std::fs::write(&path, "a file of somebody's").unwrap();
        assert!(ControlSocket::open(&Environment::default(), &store).is_err());
        assert!(path.exists());
    }
}
