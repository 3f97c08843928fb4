//! What stands in front of a back end and breaks what goes through it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinHandle};

use crate::load::lock;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It is passed on.
    Relay,
    /// Nobody listens.
    Refuse,
    /// It is taken, and never read from.
    Deaf,
    /// The request is read, and never answered: as if the peer had vanished.
    Mute,
    /// An answer of one byte a second.
    Drip,
    /// An answer without end.
    Giant,
    /// Headers without end.
    Talk,
    /// It is closed once something has come.
    Close,
    /// The answer is no HTTP.
    Noise,
}

pub(crate) const RUDE: [Manner; 8] = [
    Manner::Refuse,
    Manner::Deaf,
    Manner::Mute,
    Manner::Drip,
    Manner::Giant,
    Manner::Talk,
    Manner::Close,
    Manner::Noise,
];

/// A listener in front of a back end.
pub(crate) struct Front {
    address: SocketAddr,
    behind: SocketAddr,
    listener: Option<JoinHandle<()>>,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Front {
    pub(crate) async fn start(behind: SocketAddr) -> Self {
        let address = corten_testkit::free_address();
        let mut front = Self { address, behind, listener: None, connections: Arc::default() };
        front.be(Manner::Relay).await;
        front
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks all connections and behaves so from now on.
    pub(crate) async fn be(&mut self, manner: Manner) {
        if let Some(listener) = self.listener.take() {
            listener.abort();
            let _ = listener.await;
        }
        lock(&self.connections).drain(..).for_each(|connection| connection.abort());
        if manner == Manner::Refuse {
            return;
        }
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                // Connections of before are still being torn down.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        let (behind, connections) = (self.behind, Arc::clone(&self.connections));
        self.listener = Some(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = tokio::spawn(async move {
                    let _ = serve(stream, behind, manner).await;
                });
                lock(&connections).push(connection.abort_handle());
            }
        }));
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
        lock(&self.connections).drain(..).for_each(|connection| connection.abort());
    }
}

async fn serve(mut stream: TcpStream, behind: SocketAddr, manner: Manner) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 64 << 10];
    match manner {
        Manner::Relay => {
            let mut to = TcpStream::connect(behind).await?;
            to.set_nodelay(true)?;
            copy_bidirectional(&mut stream, &mut to).await?;
        }
        Manner::Refuse => {}
        Manner::Deaf => std::future::pending().await,
        Manner::Mute => while stream.read(&mut buffer).await? > 0 {},
        Manner::Close => {
            let _ = stream.read(&mut buffer).await?;
        }
        Manner::Drip => {
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await?;
            loop {
                stream.write_all(b".").await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
        Manner::Giant => {
            let _ = stream.read(&mut buffer).await?;
            // Not a success, so that nothing counts as delivered.
            stream.write_all(b"HTTP/1.1 503 No\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let chunk = [&b"10000\r\n"[..], &[b'.'; 0x10000], b"\r\n"].concat();
            loop {
                stream.write_all(&chunk).await?;
            }
        }
        Manner::Talk => {
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(b"HTTP/1.1 503 No\r\n").await?;
            let header = [&b"x-more: "[..], &[b'.'; 4000], b"\r\n"].concat();
            loop {
                stream.write_all(&header).await?;
            }
        }
        Manner::Noise => {
            let _ = stream.read(&mut buffer).await?;
            stream.write_all(b"220 mail.example ESMTP\r\n").await?;
        }
    }
    Ok(())
}
