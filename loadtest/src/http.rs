//! Owns: one GET at a time, as much HTTP as reading health and metrics needs.
//! Must never: wait for ever, or read without bound.
//! Laws: none.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::{LoadError, Result};

/// Most bytes of an answer that are read: metrics of thousands of lines fit.
const LARGEST: u64 = 8 << 20;

const PATIENCE: Duration = Duration::from_secs(10);

/// Gets a path; returns the status code and the body.
pub fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream =
        TcpStream::connect_timeout(&address, PATIENCE).map_err(LoadError::system("connect by http"))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(LoadError::system("connect by http"))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(LoadError::system("send an http request"))?;
    let mut bytes = Vec::new();
    stream.take(LARGEST).read_to_end(&mut bytes).map_err(LoadError::system("read an http answer"))?;
    parse(&String::from_utf8_lossy(&bytes))
        .ok_or_else(|| LoadError::Server(format!("gave no http answer to GET {path}")))
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.lines().next()?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// The value of a metric without labels in Prometheus' text format.
pub fn metric(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_status_and_body() {
        assert_eq!(parse("HTTP/1.1 503 Busy\r\nA: b\r\n\r\nnot ready"), Some((503, "not ready".to_owned())));
        assert_eq!(parse("garbage"), None);
    }

    #[test]
    fn metrics_are_found_by_their_whole_name() {
        let text = "# HELP a b\nfanfare_records_total_x 4\nfanfare_records_total 17\nother 1\n";
        assert_eq!(metric(text, "fanfare_records_total"), Some(17.0));
        assert_eq!(metric(text, "fanfare"), None);
    }
}
