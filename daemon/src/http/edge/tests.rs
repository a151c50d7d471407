//! The edge as the kernel sees it.

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;

#[tokio::test]
async fn the_kernel_takes_little_for_whoever_never_reads() {
    let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _silent = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (stream, _) = Listener::accept(&mut listener).await.unwrap();
    let mut taken = 0;
    while timeout(Duration::from_millis(500), stream.writable())
        .await
        .is_ok()
    {
        taken += stream.try_write(&[0; 16 * 1024]).unwrap_or(0);
    }
    // What the other side's kernel takes on top is its own affair.
    assert!(taken < 1_000_000, "{taken} bytes");
}
