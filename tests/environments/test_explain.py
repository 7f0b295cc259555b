"""One line out of what uv says when it fails."""

from race_harness.environments.installer import NotNow, Unresolvable, UvFailed, explain, kind_of

RESOLVER = """\
error: No solution found when resolving dependencies
  cause: Because only certifi<=2026.10.18 is available and x>=2 depends on certifi>=2026.10.19, \
we can conclude that x>=2 cannot be used.
         And because you require x==2, we can conclude that your requirements are unsatisfiable.

hint: `certifi` was filtered by `exclude-newer`.
"""

OLDER_RESOLVER = """\
  × No solution found when resolving dependencies:
  ╰─▶ Because there is no version of x==9 and you require x==9, we can conclude
      that your requirements are unsatisfiable.
"""

BUILD = """\
warning: something else
error: Failed to build `x`
  cause: The build backend returned an error
  cause: Call to `backend.build_wheel` failed (exit status: 1)

         [stdout]
         running build
         copying files

         [stderr]
         Traceback (most recent call last):
           File "<string>", line 8, in <module>
         RuntimeError: boom

hint: Build failures usually indicate a problem with the package
"""


def test_the_resolver() -> None:
    assert explain(RESOLVER) == (
        "Because only certifi<=2026.10.18 is available and x>=2 depends on certifi>=2026.10.19, "
        "we can conclude that x>=2 cannot be used. And because you require x==2, we can conclude "
        "that your requirements are unsatisfiable"
    )
    assert Unresolvable(explain(RESOLVER)).first_cause == (
        "only certifi<=2026.10.18 is available and x>=2 depends on certifi>=2026.10.19"
    )


def test_the_resolver_of_older_uv() -> None:
    assert explain(OLDER_RESOLVER) == (
        "Because there is no version of x==9 and you require x==9, we can conclude that your "
        "requirements are unsatisfiable"
    )


def test_a_failed_build_keeps_only_its_exception() -> None:
    assert explain(BUILD) == (
        "Failed to build `x`: The build backend returned an error: Call to `backend.build_wheel` "
        "failed (exit status: 1) RuntimeError: boom"
    )


def test_a_long_story_is_cut() -> None:
    line = explain("error: " + "word " * 1000)
    assert len(line) < 700
    assert line.endswith("word…")


def test_what_an_index_does_not_answer_is_not_the_clients_fault() -> None:
    silent = (
        "error: Failed to fetch: http://127.0.0.1:9/simple/six/\n"
        "  cause: error sending request for url (http://127.0.0.1:9/simple/six/)\n"
    )
    broken = (
        "error: Request failed after 3 retries in 5.4s\n"
        "  cause: Failed to fetch: http://127.0.0.1:9/simple/six/\n"
        "  cause: HTTP status server error (503 Service Unavailable) for url (...)\n"
    )
    for stderr in (silent, broken, "error: No space left on device (os error 28)"):
        assert kind_of(stderr) is NotNow
    gone = broken.replace("server error (503 Service Unavailable)", "client error (404 Not Found)")
    for stderr in (gone, BUILD):
        assert kind_of(stderr) is UvFailed
    assert kind_of(RESOLVER) is kind_of(OLDER_RESOLVER) is Unresolvable
