//! How far this machine's clock is from a time server's (SNTP, RFC 4330).
//!
//! Knows: one question and its answer. Must never know: what is done about the difference; nothing here sets a
//! clock.

use std::io;
use std::net::{ToSocketAddrs, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_auth::rule::Entropy;

/// The port of time servers.
const PORT: u16 = 123;
/// How long an answer may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);
/// Bytes of question and answer, extensions aside.
const PACKET_BYTES: usize = 48;
/// Seconds from 1900, where a time server counts from, to 1970. Both are counted in 32 bits, which wrap in 2106.
const FROM_1900_TO_1970: u32 = 2_208_988_800;

/// Seconds by which this machine's clock is behind that of a server, negative when it is ahead; to some
/// milliseconds. The server is `host` or `host:port`.
///
/// # Errors
/// That of the operating system; [`io::ErrorKind::InvalidData`] when the answer is none to our question.
pub fn behind_s(server: &str, entropy: &mut dyn Entropy) -> io::Result<f64> {
    let addresses: Vec<_> = match server.to_socket_addrs() {
        Ok(addresses) => addresses.collect(),
        Err(_) => (server, PORT).to_socket_addrs()?.collect(),
    };
    let address = addresses
        .first()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it has no address"))?;
    let local = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(local)?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    let mut question = [0u8; PACKET_BYTES];
    // Version 4, client.
    question[0] = 0x23;
    // What the answer must repeat; not the time, which is nobody's business and could be guessed.
    entropy.fill(&mut question[40..]);
    let asked = now_s();
    socket.send(&question)?;
    let mut answer = [0u8; 512];
    let length = socket.recv(&mut answer)?;
    let answered = now_s();
    read(&answer[..length], &question, asked, answered)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it answered something else"))
}

/// The mean of what the way there and the way back tell (RFC 4330 §5).
fn read(answer: &[u8], question: &[u8; PACKET_BYTES], asked: f64, answered: f64) -> Option<f64> {
    let answer = answer.first_chunk::<PACKET_BYTES>()?;
    let is_server = answer[0] & 7 == 4;
    let is_synchronised = answer[0] >> 6 != 3 && (1..=15).contains(&answer[1]);
    if !is_server || !is_synchronised || answer[24..32] != question[40..48] {
        return None;
    }
    let received = time_s(answer[32..40].try_into().ok()?);
    let sent = time_s(answer[40..48].try_into().ok()?);
    Some(((received - asked) + (sent - answered)) / 2.0)
}

/// Seconds since 1970 of a time stamp: seconds and fraction, 32 bits each.
fn time_s(stamp: [u8; 8]) -> f64 {
    let both = u64::from_be_bytes(stamp);
    let [seconds, fraction] = [both >> 32, both & 0xffff_ffff].map(|half| u32::try_from(half).unwrap_or(0));
    f64::from(seconds.wrapping_sub(FROM_1900_TO_1970)) + f64::from(fraction) / 4_294_967_296.0
}

fn now_s() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(question: &[u8; PACKET_BYTES], received_s: u32, sent_s: u32) -> [u8; PACKET_BYTES] {
        let mut answer = [0u8; PACKET_BYTES];
        (answer[0], answer[1]) = (0x24, 2);
        answer[24..32].copy_from_slice(&question[40..]);
        answer[32..36].copy_from_slice(&received_s.wrapping_add(FROM_1900_TO_1970).to_be_bytes());
        answer[40..44].copy_from_slice(&sent_s.wrapping_add(FROM_1900_TO_1970).to_be_bytes());
        answer
    }

    #[test]
    fn offset_is_the_mean_of_both_ways_and_survives_2036() {
        let question = [7; PACKET_BYTES];
        for now in [1_700_000_000u32, 2_085_978_496, 4_000_000_000] {
            let answer = answer(&question, now + 91, now + 91);
            let (asked, answered) = (f64::from(now), f64::from(now + 2));
            assert_eq!(read(&answer, &question, asked, answered), Some(90.0), "{now}");
        }
    }

    #[test]
    fn answer_to_another_question_or_of_no_clock_is_refused() {
        let question = [7; PACKET_BYTES];
        let good = answer(&question, 100, 100);
        assert!(read(&good, &question, 0.0, 0.0).is_some());
        assert!(read(&good[..47], &question, 0.0, 0.0).is_none());
        for (at, byte) in [(0, 0x23), (0, 0xe4), (1, 0), (1, 16), (24, 8)] {
            let mut bad = good;
            bad[at] = byte;
            assert!(read(&bad, &question, 0.0, 0.0).is_none(), "byte {at} is {byte}");
        }
    }
}
