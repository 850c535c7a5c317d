//! Connections: direct, or through the proxy for their address. What is secret goes through a tunnel that the proxy cannot look into.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::proxies::Proxies;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections to servers, with TLS where their address says so.
pub type Connector = HttpsConnector<Ways>;

/// Makes connections without TLS of their own: to servers, or to the proxies before them.
#[derive(Clone, Debug)]
pub struct Ways {
    proxies: Proxies,
    direct: HttpConnector,
    // None where there is no proxy: to read the system's certificates takes a while.
    to_proxy: Option<HttpsConnector<HttpConnector>>,
}

/// A connection.
#[derive(Debug)]
pub struct Way {
    stream: MaybeHttpsStream<TokioIo<TcpStream>>,
    // Whether a proxy reads what is asked, and passes it on.
    is_read_on_the_way: bool,
}

/// The way to servers. Plain HTTP only where the address itself says so.
pub fn connector(plain: bool) -> io::Result<Connector> {
    connector_by(plain, Proxies::of_the_environment().map_err(io::Error::other)?)
}

pub(crate) fn connector_by(plain: bool, proxies: Proxies) -> io::Result<Connector> {
    let builder = HttpsConnectorBuilder::new().with_native_roots()?;
    let builder = if plain { builder.https_or_http() } else { builder.https_only() };
    Ok(builder.enable_all_versions().wrap_connector(Ways::by(proxies)?))
}

/// A connection to the server of an address, for another protocol over it; without TLS of its own.
pub async fn open(uri: Uri) -> Result<TokioIo<Way>, BoxError> {
    let proxies = Proxies::of_the_environment()?;
    Ok(TokioIo::new(Ways::by(proxies)?.call(uri).await?))
}

impl Ways {
    fn by(proxies: Proxies) -> io::Result<Self> {
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        let to_proxy = match proxies.http().or(proxies.https()) {
            Some(_) => {
                let builder = HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1();
                Some(builder.wrap_connector(direct.clone()))
            }
            None => None,
        };
        Ok(Self { proxies, direct, to_proxy })
    }
}

impl Service<Uri> for Ways {
    type Response = Way;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Way, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // Each connection is made by itself.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (Some(proxy), Some(to_proxy)) = (self.proxies.to(&uri), &mut self.to_proxy) else {
            let connecting = self.direct.call(uri);
            return Box::pin(async move {
                let stream = MaybeHttpsStream::Http(connecting.await?);
                Ok(Way { stream, is_read_on_the_way: false })
            });
        };
        if uri.scheme_str() == Some("http") {
            let connecting = to_proxy.call(proxy.uri().clone());
            return Box::pin(async move { Ok(Way { stream: connecting.await?, is_read_on_the_way: true }) });
        }
        let tunnel = Tunnel::new(proxy.uri().clone(), to_proxy.clone());
        let mut tunnel = match proxy.basic_auth() {
            Some(authorization) => tunnel.with_auth(authorization.clone()),
            None => tunnel,
        };
        let connecting = tunnel.call(uri);
        Box::pin(async move { Ok(Way { stream: connecting.await?, is_read_on_the_way: false }) })
    }
}

impl Connection for Way {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.is_read_on_the_way)
    }
}

impl Read for Way {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buf)
    }
}

impl Write for Way {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bufs)
    }
}
