//! What writing costs with nothing around it: one thread, one `write(2)` per frame and socket.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::net::TcpSocket;
use tokio::runtime::Builder;

/// Connections that may wait to be accepted: more than come at once. The standard library lets 128 wait, and where those
/// beyond are reset, as on some machines, the measurement fails.
const BACKLOG: u32 = 4_096;
/// A frame's payload is announced in two bytes.
const HEADER_BYTES: usize = 4;

/// Lets everybody in who asks, and writes to all of them what it is told.
pub(crate) fn serve() -> anyhow::Result<()> {
    let (clients, control) = (listen()?, TcpListener::bind("127.0.0.1:0")?);
    writeln!(
        io::stdout(),
        "{} {}",
        clients.local_addr()?.port(),
        control.local_addr()?.port()
    )?;
    let sockets: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    let listeners = Arc::clone(&sockets);
    thread::spawn(move || {
        for stream in clients.incoming() {
            let (stream, listeners) = (stream?, Arc::clone(&listeners));
            // Beside the others: who is slow to ask keeps nobody waiting to be accepted.
            thread::spawn(move || {
                let mut stream = let_in(stream)?;
                let mut listeners = listeners.lock().unwrap_or_else(PoisonError::into_inner);
                stream.write_all(&[&[0x81, 6], b"joined".as_slice()].concat())?;
                listeners.push(stream);
                io::Result::Ok(())
            });
        }
        io::Result::Ok(())
    });
    for line in BufReader::new(control.accept()?.0).lines() {
        let line = line?;
        let numbers: Vec<usize> = line
            .split(' ')
            .skip(1)
            .filter_map(|word| word.parse().ok())
            .collect();
        let &[events, bytes, first] = numbers.as_slice() else {
            continue;
        };
        for number in first..first + events {
            let frame = frame(&format!("n={number};"), bytes);
            for mut socket in sockets
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
            {
                socket.write_all(&frame)?;
            }
        }
    }
    Ok(())
}

fn listen() -> io::Result<TcpListener> {
    // Only to make the socket: tokio's can be given a backlog.
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let _entered = runtime.enter();
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    let listener = socket.listen(BACKLOG)?.into_std()?;
    listener.set_nonblocking(false)?;
    Ok(listener)
}

fn let_in(mut stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    // The request comes in one piece, and the room's name after the answer.
    let mut heard = [0; 1024];
    let _ = stream.read(&mut heard)?;
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")?;
    let _ = stream.read(&mut heard)?;
    Ok(stream)
}

fn frame(mark: &str, bytes: usize) -> Vec<u8> {
    let payload = format!(
        "{mark:x<width$}",
        width = bytes.saturating_sub(HEADER_BYTES)
    );
    let length = u16::try_from(payload.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    [&[0x81, 126], length.as_slice(), payload.as_bytes()].concat()
}
