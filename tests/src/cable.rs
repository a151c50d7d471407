//! A cable between a client and a daemon, to be cut, or to fall silent without anybody being told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Carries every connection made to it on to a daemon.
pub struct Cable {
    address: String,
    fate: watch::Sender<(u64, CableFate)>,
    /// Bytes that may still come from the daemon before the connections are cut.
    left: Arc<AtomicUsize>,
    _carrying: JoinSet<()>,
}

#[derive(Debug, Clone, Copy)]
enum CableFate {
    Cut,
    Silent,
}

impl Cable {
    /// Laid to that address.
    pub async fn to(daemon: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (fate, fates) = watch::channel((0, CableFate::Cut));
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let (daemon, bytes) = (daemon.to_owned(), Arc::clone(&left));
        let mut carrying = JoinSet::new();
        carrying.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let (daemon, mut fates, left) = (daemon.clone(), fates.clone(), Arc::clone(&bytes));
                fates.mark_unchanged();
                connections.spawn(async move {
                    // A daemon that is down is a cable that is cut.
                    if let Ok(far) = TcpStream::connect(&daemon).await {
                        carry(near, far, fates, &left).await;
                    }
                });
            }
        });
        Self {
            address,
            fate,
            left,
            _carrying: carrying,
        }
    }

    /// The address that leads through the cable.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Cuts what is connected; both sides see it. What connects anew is carried.
    pub fn is_cut(&self) {
        self.fate
            .send_modify(|(turn, fate)| (*turn, *fate) = (*turn + 1, CableFate::Cut));
    }

    /// Carries nothing more on what is connected, and closes nothing. What connects anew is carried.
    pub fn falls_silent(&self) {
        self.fate
            .send_modify(|(turn, fate)| (*turn, *fate) = (*turn + 1, CableFate::Silent));
    }

    /// Cuts what is connected once the daemon has sent so many bytes more.
    pub fn is_cut_after(&self, bytes: usize) {
        self.left.store(bytes, Ordering::SeqCst);
    }
}

async fn carry(
    near: TcpStream,
    far: TcpStream,
    mut fates: watch::Receiver<(u64, CableFate)>,
    left: &AtomicUsize,
) {
    let (mut near_in, mut near_out) = near.into_split();
    let (mut far_in, mut far_out) = far.into_split();
    let back = async {
        let mut bytes = vec![0; 1024];
        while let Ok(read @ 1..) = far_in.read(&mut bytes).await {
            let before = left.load(Ordering::SeqCst);
            if before < read {
                left.store(usize::MAX, Ordering::SeqCst);
                return;
            }
            if before < usize::MAX {
                left.fetch_sub(read, Ordering::SeqCst);
            }
            if near_out.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = copy(&mut near_in, &mut far_out) => return,
        () = back => return,
        _ = fates.changed() => {}
    }
    let fate = fates.borrow().1;
    if let CableFate::Silent = fate {
        std::future::pending::<()>().await;
    }
}
