use super::Server;

/// Of what an asynchronous function returns, in bytes.
fn state<A, B, C, F>(_: impl FnOnce(A, B, C) -> F) -> usize {
    size_of::<F>()
}

/// It is asked for anew with each request, and moved as a whole.
#[test]
fn what_a_request_carries_across_its_waits_is_bounded() {
    let size = state(Server::request);
    println!("{size}");
    assert!(size <= 6 * 1024, "{size}");
}
