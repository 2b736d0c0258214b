//! One member of a skiff-rs cluster, to be measured beside skiff-ts: `skiff-rs-member DIR PORT ADDRESS [JOIN]`.
//! Clients speak to it over the gRPC that the crate itself serves. It says `serving` once it knows a leader
//! and as many members as it was told, `reign` whenever another one leads, and ends with its standard input.

use skiff_rs::{Builder, ElectionState, Skiff};
use std::error::Error;
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::time::Duration;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

const WATCH_INTERVAL: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dir, port, address, join @ ..] = words.as_slice() else {
        return Err("usage: skiff-rs-member DIR PORT ADDRESS [JOIN]".into());
    };
    let join: Vec<Ipv4Addr> = join.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    let member = Builder::new()
        .set_dir(dir)
        .bind(address.parse()?)
        .port(port.parse()?)
        .join_cluster(join)
        .build()?;
    let serving = tokio::spawn(member.clone().start());
    tokio::spawn(report_reigns(member.clone()));
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    member.shutdown();
    serving.await??;
    Ok(())
}

/// A line whenever the role of this member or its leader has changed.
async fn report_reigns(member: Skiff) {
    let mut known = ElectionState::Candidate;
    loop {
        let state = member.get_election_state().await;
        if state != known && member.is_leader_elected().await {
            let members = member.get_cluster().await.map_or(0, |cluster| cluster.len());
            println!("{members} members, {state:?}");
            known = state;
        }
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}
