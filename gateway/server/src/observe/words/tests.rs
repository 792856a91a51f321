use super::Words;

#[test]
fn gives_back_each_part_and_cuts_what_is_too_long_between_characters() {
    let words = Words::of("GET", "/a/ß", "app.example", "curl");
    assert_eq!(
        (words.method(), words.path(), words.host(), words.user_agent()),
        ("GET", "/a/ß", "app.example", "curl")
    );

    let path = format!("/{}", "ß".repeat(2000));
    let words = Words::of(&"M".repeat(40), &path, "", &"u".repeat(300));
    assert_eq!((words.method().len(), words.path().len(), words.host(), words.user_agent().len()), (32, 2047, "", 256));
    assert!(path.starts_with(words.path()));
    assert_eq!(words.len(), 32 + 2047 + 256);

    let none = Words::default();
    assert_eq!((none.method(), none.path(), none.host(), none.user_agent()), ("", "", "", ""));
}
