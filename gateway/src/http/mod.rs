//! Owns: the HTTP server: `/health/live`, `/health/ready`, `/metrics`. It serves people and their
//! monitoring, never terminals, and runs on a thread of its own under supervision.
//! Must never: change anything; wait for a loop.

mod metrics;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::rt::System;
use actix_web::{App, HttpResponse, HttpServer, web};
use engine::supervise::{Group, Part, Stop};
use ledger::mutant::{self, Point};

use crate::status::Status;

/// How often it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);
/// Monitoring needs a handful of connections.
const CONNECTIONS: usize = 64;

/// The HTTP server as a group of its own: when it fails, the ledger goes on being served.
pub(crate) fn group(listener: TcpListener, status: Arc<Status>) -> Group {
    let start = move || {
        let listener = listener.try_clone().map_err(|error| error.to_string())?;
        Ok(vec![part(listener, Arc::clone(&status))])
    };
    Group { name: "http".to_owned(), start: Arc::new(start) }
}

fn part(listener: TcpListener, status: Arc<Status>) -> Part {
    let run = move |stop: &Stop| {
        let serving = serve(listener, status, stop);
        System::new().block_on(serving).map_err(|error| error.to_string())
    };
    // It looks by itself soon enough.
    Part { name: "http".to_owned(), run: Box::new(run), wake: Arc::new(|| {}) }
}

async fn serve(listener: TcpListener, status: Arc<Status>, stop: &Stop) -> io::Result<()> {
    let app = move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&status)))
            .route("/health/live", web::get().to(live))
            .route("/health/ready", web::get().to(ready))
            .route("/metrics", web::get().to(metrics))
    };
    let server = HttpServer::new(app).workers(1).max_connections(CONNECTIONS).disable_signals();
    let server = server.shutdown_timeout(1).listen(listener)?.run();
    let handle = server.handle();
    let mut running = std::pin::pin!(actix_web::rt::spawn(server));
    loop {
        if let Ok(ended) = tokio::time::timeout(LOOK, running.as_mut()).await {
            return ended.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        }
        if stop.is_set() || mutant::struck(Point::Http) {
            handle.stop(true).await;
            return Ok(());
        }
    }
}

/// The process answers.
async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("live\n")
}

/// Terminals can be served: red while recovering, stopping, without a journal, or with a hanging loop. Shards
/// that stopped are named; they alone make nothing red while others serve.
async fn ready(status: web::Data<Status>) -> HttpResponse {
    let because = status.not_ready();
    let stopped = status.stopped().into_iter().map(|stopped| format!("stopped: {stopped}\n"));
    if because.is_empty() {
        let body = "ready\n".to_owned() + &stopped.collect::<String>();
        HttpResponse::Ok().content_type("text/plain").body(body)
    } else {
        let body = because.join("\n") + "\n" + &stopped.collect::<String>();
        HttpResponse::ServiceUnavailable().content_type("text/plain").body(body)
    }
}

async fn metrics(status: web::Data<Status>) -> HttpResponse {
    match metrics::text(status.into_inner()) {
        Ok(text) => HttpResponse::Ok().content_type(metrics::CONTENT_TYPE).body(text),
        Err(_) => HttpResponse::InternalServerError().finish(),
    }
}
