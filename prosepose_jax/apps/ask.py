"""`prosepose ask`: the scenes' photographs go to a language model, its answers into a file (docs/ask.md).

  prosepose ask --scenes=SCENES --out=ANSWERS.jsonl --client=gemini --model=gemini-2.5-flash-lite [--dry_run]
  prosepose ask … --client=openai --model=NAME [--base_url=http://localhost:8000/v1]
  prosepose ask --inspect=ANSWERS [--scenes=SCENES]

Keys come from GEMINI_API_KEY (or GOOGLE_API_KEY), OPENAI_API_KEY or --api_key_file. Started again, it asks only for
what is missing. Exit status: 0 all answered, 1 some failed (named on stderr), 2 bad usage or input, 3 a full disk, 130.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from prosepose_jax.apps._dividing import check_positive, define_shard_flags, shard_file, shard_from_flags
from prosepose_jax.apps._ray_cluster import cluster_from_flags, define_ray_flags
from prosepose_jax.apps._usage import run_verb, say_failures
from prosepose_jax.errors import InputError
from prosepose_jax.scale.shard import shard_of_key
from prosepose_jax.untrusted import one_line, printable

if TYPE_CHECKING:
    from prosepose_jax.apps._ray_cluster import Cluster
    from prosepose_jax.lmm import AnswerLog, Prompt, Questions, Tally, Work
    from prosepose_jax.lmm.clients import Client, ModelSettings, Picture
    from prosepose_jax.lmm.crops import View

_MANY_SCENES = 1000  # about a second and a half
_SERVERS = ("gemini", "google_genai", "openai", "openai_package")

# A set of its own: several verbs can be imported into one process without their flags getting into each other's way.
FLAGS = flags.FlagValues()
flags.DEFINE_string("scenes", None, "folder of scene files", flag_values=FLAGS)
flags.DEFINE_string("out", None, "answers file, .jsonl; grows", flag_values=FLAGS)
flags.DEFINE_string("image_root", None, "folder that may hold images besides the scenes' own", flag_values=FLAGS)
flags.DEFINE_bool("allow_outside_images", False, "send images from anywhere", flag_values=FLAGS)
flags.DEFINE_enum("client", None, [*_SERVERS, "replay", "simulated"], "who", flag_values=FLAGS)
flags.DEFINE_string("model", None, "the model's name", flag_values=FLAGS)
flags.DEFINE_string("base_url", None, "another server; also OPENAI_BASE_URL", flag_values=FLAGS)
flags.DEFINE_integer("num_answers", 20, "answers per question", 1, flag_values=FLAGS)
flags.DEFINE_string(
    "prompt",
    None,
    "file or packaged prompt (docs/ask.md); default: by people",
    flag_values=FLAGS,
)
flags.DEFINE_string("captions", None, "answers file whose texts stand for the images", flag_values=FLAGS)
flags.DEFINE_bool("mark_people", False, "draw boxes, so that Person 1 is known", flag_values=FLAGS)
flags.DEFINE_integer("max_side", 2048, "pixels to which larger crops are reduced; 0: never", 0, flag_values=FLAGS)
flags.DEFINE_integer("candidates", 8, "most answers per request", 1, flag_values=FLAGS)
flags.DEFINE_float("temperature", 0.7, "of the model; negative: the server's own", flag_values=FLAGS)
flags.DEFINE_integer("max_tokens", 500, "of an answer", 1, flag_values=FLAGS)
flags.DEFINE_integer("concurrency", 8, "requests at a time", 1, 512, flag_values=FLAGS)
flags.DEFINE_float("requests_per_minute", 0.0, "limit; 0: none", 0.0, flag_values=FLAGS)
flags.DEFINE_float("tokens_per_minute", 0.0, "limit; 0: none", 0.0, flag_values=FLAGS)
flags.DEFINE_float("timeout", 120.0, "seconds until a request must be answered in full", 0.1, flag_values=FLAGS)
flags.DEFINE_integer("attempts", 10, "how often a request is tried", 1, flag_values=FLAGS)
flags.DEFINE_string("api_key_file", None, "file with the key, instead of the environment", flag_values=FLAGS)
flags.DEFINE_string("recorded", None, "answers file that --client=replay gives out", flag_values=FLAGS)
flags.DEFINE_integer("seed", 0, "of --client=simulated", 0, flag_values=FLAGS)
flags.DEFINE_bool("dry_run", False, "say what would be sent and what it may cost", flag_values=FLAGS)
flags.DEFINE_string("prices", None, "table of prices, as lmm/prices.json", flag_values=FLAGS)
flags.DEFINE_string("inspect", None, "answers file to read: what it says, what is not understood", flag_values=FLAGS)
flags.DEFINE_enum("parser", "extended", ["extended", "published"], "of --inspect", flag_values=FLAGS)
define_shard_flags(FLAGS)
define_ray_flags(FLAGS)
flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=FLAGS)


def main(argv: Sequence[str]) -> int:
    """Runs the verb; `argv[0]` is the program's name. Returns the exit status."""
    return run_verb("ask", __doc__, FLAGS, argv, _run)


def _run() -> int:
    if FLAGS.inspect:
        return _inspect()
    for name, what in (
        ("scenes", "the folder of scene files"),
        ("client", f"one of {', '.join((*_SERVERS, 'replay', 'simulated'))}"),
        ("out", "the answers file, .jsonl"),
    ):
        if not FLAGS[name].value and not (name == "out" and FLAGS.dry_run):
            raise InputError(f"--{name} is missing: {what}")
    # Late: --help and usage errors need none of it.
    from prosepose_jax.apps._ray_asking import placeholder
    from prosepose_jax.io.image_paths import image_rule
    from prosepose_jax.io.scenes import scene_files
    from prosepose_jax.lmm import AnswerLog, make_questions, missing_work
    from prosepose_jax.lmm.clients import named_url

    if FLAGS.client in _SERVERS and not FLAGS.model:
        raise InputError("--model is missing: the name of the model to ask, such as gemini-2.5-flash-lite or gpt-4.1")
    if FLAGS.client == "replay" and not FLAGS.recorded:
        raise InputError("--recorded is missing: the answers file that --client=replay gives out")
    if FLAGS.out and Path(FLAGS.out).suffix != ".jsonl":
        raise InputError(f"--out={FLAGS.out}: expected an answers file that ends in .jsonl")
    if FLAGS.client in _SERVERS:
        named_url(FLAGS.client, FLAGS.base_url)
    model = FLAGS.model or {"replay": "recorded"}.get(FLAGS.client, FLAGS.client)
    cluster = cluster_from_flags(FLAGS)
    check_positive(FLAGS, "ray_actors")
    if cluster is not None and FLAGS.client not in _SERVERS:
        raise InputError(f"--runner=ray: --client={FLAGS.client} sends nothing, so there is nothing to spread")
    shard = None if cluster is not None else shard_from_flags(FLAGS)
    files = scene_files(FLAGS.scenes)
    if shard is not None and shard.count > 1:
        files = [file for file in files if shard_of_key(file.stem, shard.count) == shard.index]
        FLAGS["out"].value = shard_file(FLAGS.out, shard) if FLAGS.out else None
        # What the whole run may ask in a minute is shared out.
        FLAGS.requests_per_minute /= shard.count
        FLAGS.tokens_per_minute /= shard.count
        print(f"{len(files)} scenes; answers go to {FLAGS.out}, put together with cat", file=sys.stderr)
    prompts = _prompts()
    client = None if FLAGS.dry_run else _open_client(model)
    questions = make_questions(
        _watched(files),
        prompts,
        shown=FLAGS.client in _SERVERS,
        marked=FLAGS.mark_people,
        max_side=FLAGS.max_side,
        captions=_captions(),
        images=image_rule(FLAGS.image_root, FLAGS.allow_outside_images),
    )
    for note in questions.notes:
        print(f"note: {one_line(note)}", file=sys.stderr)
    say_failures(questions.failures)
    if client is None:
        _dry_run(model, questions)
        return 1 if questions.failures else 0
    log = AnswerLog(FLAGS.out)
    try:
        work = missing_work(questions.questions, FLAGS.num_answers, model, log.samples)
        if cluster is None or not work:
            return _ask(client, log, questions, work)
        with _on_ray(cluster, client, work) as askers:
            return _ask(askers, log, questions, work, placeholder)
    finally:
        log.close()
        client.close()


def _watched(files: Sequence[Path]) -> Iterator[Path]:
    """The files, with a bar or lines where reading them takes a while."""
    from prosepose_jax.apps._progress import Progress

    long = len(files) >= _MANY_SCENES
    with Progress(len(files), "read") if long else contextlib.nullcontext() as progress:
        for file in files:
            yield file
            if progress is not None:
                progress.step()


def _prompts() -> dict[int, Prompt]:
    """The prompt for one person and for two or more."""
    from prosepose_jax.lmm import load_prompt

    if not FLAGS.prompt:
        if FLAGS.captions:
            raise InputError("--captions: the default prompts take the image; --prompt=caption takes captions")
        return {1: load_prompt("yoga"), 2: load_prompt("two_people")}
    prompt = load_prompt(FLAGS.prompt)
    if prompt.input == "caption" and not FLAGS.captions:
        raise InputError(f"--captions is missing: prompt {prompt.id} takes a caption in place of the image")
    if FLAGS.captions and prompt.input != "caption":
        raise InputError(
            f"--captions: prompt {prompt.id} takes the image; the packaged prompt 'caption' takes captions"
        )
    if FLAGS.mark_people and prompt.input == "caption":
        raise InputError(f"--mark_people: prompt {prompt.id} is sent no image to mark; mark them for the captions")
    return {prompt.people: prompt}


def _captions() -> Callable[[str], Sequence[str]] | None:
    if not FLAGS.captions:
        return None
    from prosepose_jax.io import load_answers

    captions = load_answers(FLAGS.captions)
    return lambda key: [answer.text for answer in captions.for_scene(key)]


def _settings() -> ModelSettings:
    from prosepose_jax.lmm.clients import ModelSettings

    return ModelSettings(FLAGS.temperature if FLAGS.temperature >= 0 else None, FLAGS.max_tokens, FLAGS.timeout)


def _open_client(model: str) -> Client:
    from prosepose_jax.lmm.clients import ScriptedClient, named_url, open_client, plain_http_warning

    if FLAGS.client == "replay":
        return ScriptedClient(model, _recorded_texts(), FLAGS.candidates)
    if FLAGS.client == "simulated":
        return ScriptedClient(model, _simulated_texts(), FLAGS.candidates)
    client = open_client(FLAGS.client, model, _settings(), FLAGS.base_url, FLAGS.api_key_file, FLAGS.candidates)
    warning = plain_http_warning(named_url(FLAGS.client, FLAGS.base_url), client)
    if warning:
        print(f"warning: {warning}", file=sys.stderr)
    return client


def _recorded_texts() -> Callable[[str, tuple[int, int]], Sequence[str]]:
    """The recorded answers about a pair, in the order of their samples."""
    from prosepose_jax.io import load_answers

    recorded = load_answers(FLAGS.recorded)

    def texts(key: str, pair: tuple[int, int]) -> Sequence[str]:
        # A recorded answer without a pair is about the only one there is.
        wanted = {pair, (0, 1)} if pair[0] == pair[1] else {pair}
        return [answer.text for answer in recorded.for_scene(key) if tuple(answer.pair) in wanted]

    return texts


def _simulated_texts() -> Callable[[str, tuple[int, int]], Sequence[str]]:
    """Answers made up from the ground truth of the scenes, the same in every run with the same seed."""
    import numpy as np

    from prosepose_jax.io import load_scene
    from prosepose_jax.synthetic import Contacts, simulate_answers

    scenes, seed, count = Path(FLAGS.scenes), FLAGS.seed, FLAGS.num_answers

    @functools.lru_cache(maxsize=64)
    def texts(key: str, pair: tuple[int, int]) -> Sequence[str]:
        scene = load_scene(scenes / f"{key}.npz")
        if scene.gt_contacts is None:
            raise InputError(f"{key}: field 'gt_contacts' is missing, which --client=simulated makes answers from")
        # Ground truth is about persons 0 and 1; other pairs are not known to touch.
        known = tuple(scene.gt_contacts) if pair in ((0, 0), (0, 1)) else ()
        contacts = Contacts(np.zeros((0, 2), np.int32), known, dict.fromkeys(known, 3))
        digest = hashlib.sha256(f"{key}\0{pair}".encode()).digest()
        rng = np.random.default_rng([seed, *np.frombuffer(digest, np.uint32).tolist()])
        return simulate_answers(contacts, min(scene.num_people, 2), rng, count=count)

    return texts


def _on_ray(cluster: Cluster, client: Client, work: Sequence[Work]) -> contextlib.AbstractContextManager[Client]:
    """The client as the actors of a cluster; the key goes to them through Ray, into no file and no environment."""
    from prosepose_jax.apps._ray_asking import Opening, asked_on_ray
    from prosepose_jax.lmm.clients import find_key, named_url

    key = find_key(FLAGS.client, FLAGS.api_key_file)
    url = named_url(FLAGS.client, FLAGS.base_url)
    opening = Opening(FLAGS.client, client.model, _settings(), url, key, FLAGS.candidates)
    views = {(one.question.key, one.question.pair): one.question.view for one in work if one.question.view is not None}
    return asked_on_ray(cluster, client, opening, views, FLAGS.concurrency)


def _ask(
    client: Client, log: AnswerLog, questions: Questions, work: Sequence[Work],
    take: Callable[[View], Picture] | None = None,
) -> int:  # fmt: skip
    """Asks for the work; `take`: cuts pictures, where the client does not want them whole."""
    from prosepose_jax.apps._progress import Progress
    from prosepose_jax.lmm import Pace, Sampler, load_prices
    from prosepose_jax.lmm.clients import Unusable

    total = len(questions.questions) * FLAGS.num_answers
    missing = sum(len(one.samples) for one in work)
    if log.repaired:
        print(f"note: {log.repaired}", file=sys.stderr)
    _note_others(log, client.model, questions)
    failed_file = log.file.with_name(f"{log.file.stem}.failed.jsonl")
    failed_file.unlink(missing_ok=True)  # what failed before is asked again now
    if not work:
        print(f"{log.file}: all {total} answers are there, nothing to ask")
        return 1 if questions.failures else 0
    price, image_tokens = load_prices(FLAGS.prices, client.model)
    sampler = Sampler(
        client,
        log,
        failed_file=failed_file,
        temperature=_settings().temperature if client.sees else None,
        concurrency=FLAGS.concurrency,
        attempts=FLAGS.attempts,
        pace=Pace(FLAGS.requests_per_minute, FLAGS.tokens_per_minute),
        image_tokens=image_tokens,
        take=take,
    )
    begin = time.monotonic()
    with Progress(missing, "ask", unit="answer", notes=True) as progress:
        shown = 0

        def tick(tally: Tally) -> None:
            nonlocal shown
            done = tally.answered + tally.failed
            progress.step(f"{tally.failed} failed" if tally.failed else "", done - shown)
            shown = done

        try:
            tally = sampler.run(work, tick)
        except Unusable as error:
            raise InputError(f"{FLAGS.client}: {error}") from None
    for (key, pair, reason), lost in _by_reason(tally).items():
        people = f" people {pair[0]} and {pair[1]}" if pair not in ((0, 0), (0, 1)) else ""
        say_failures({f"{key}{people}": f"{lost} {'answer' if lost == 1 else 'answers'}: {reason}"})
    if tally.stopped:
        left = missing - tally.answered - tally.failed
        print(f"prosepose ask: stopped with {left} answers not asked for: {tally.stopped}", file=sys.stderr)
    if tally.cut_off:
        print(
            f"note: {tally.cut_off} answers hold no text because the limit of tokens came first; models that think "
            "need a higher --max_tokens",
            file=sys.stderr,
        )
    seconds = time.monotonic() - begin
    print(f"{tally.answered} answers written to {log.file} in {seconds:.1f} s{_details(tally)}")
    if tally.tokens_in or tally.tokens_out:
        cost = ""
        if price is not None:
            spent = (tally.tokens_in * price.input + tally.tokens_out * price.output) / 1e6
            cost = f", about {spent:.2f} {price.currency} by the prices of {price.noted}"
        print(f"{tally.tokens_in:,} tokens in, {tally.tokens_out:,} out{cost}")
    if tally.failures:
        print(f"failures: {failed_file}")
    return 1 if questions.failures or tally.failures or tally.stopped else 0


def _by_reason(tally: Tally) -> dict[tuple[str, tuple[int, int], str], int]:
    """How many answers of each question could not be had for each reason."""
    lost: collections.Counter[tuple[str, tuple[int, int], str]] = collections.Counter()
    for failure in tally.failures:
        lost[failure.key, failure.pair, failure.reason] += len(failure.samples)
    return lost


def _details(tally: Tally) -> str:
    numbers = (
        (tally.refused, "refused"), (tally.empty, "empty"), (tally.failed, "failed"), (tally.retries, "retries"),
    )  # fmt: skip
    return "".join(f", {number} {name}" for number, name in numbers if number)


def _note_others(log: AnswerLog, model: str, questions: Questions) -> None:
    """A fit takes every answer of a file: say so when some answer other questions than this run's."""
    asked = {(model, question.prompt.name) for question in questions.questions}
    keys = {question.key for question in questions.questions}
    others = sum(
        len(samples)
        for filed, samples in log.samples.items()
        if filed.key in keys and (filed.model, filed.prompt) not in asked
    )
    if others:
        print(
            f"note: {log.file} holds {others} answers of other models or prompts about these scenes; prosepose fit "
            "takes all of them",
            file=sys.stderr,
        )


def _dry_run(model: str, questions: Questions) -> None:
    from prosepose_jax.lmm import estimate, load_prices, missing_work, read_samples

    price, image_tokens = load_prices(FLAGS.prices, model)
    there = read_samples(Path(FLAGS.out))[0] if FLAGS.out and Path(FLAGS.out).is_file() else {}
    work = missing_work(questions.questions, FLAGS.num_answers, model, there)
    found = estimate(work, FLAGS.candidates, FLAGS.max_tokens, image_tokens)
    total = len(questions.questions) * FLAGS.num_answers
    print("dry run: nothing is sent\n")
    print(f"to        {FLAGS.client}, model {model}" + (f", {FLAGS.base_url}" if FLAGS.base_url else ""))
    failed = f", {len(questions.failures)} cannot be asked about" if questions.failures else ""
    scenes = len({question.key for question in questions.questions}) + len(questions.failures)
    print(f"scenes    {scenes}{failed}; questions {len(questions.questions)}")
    print(f"answers   {total} wanted, {total - found.answers} there, {found.answers} to ask for")
    print(f"requests  {found.requests:,} of up to {FLAGS.candidates} answers, {FLAGS.concurrency} at a time")
    if FLAGS.client not in _SERVERS:
        return
    pictures = sum(one.question.view is not None for one in work)
    print(f"leaves    {pictures} images (cropped, without metadata), the prompt; no name, pose or ground truth")
    out = f"{found.tokens_out:,.0f} out (at most {found.most_tokens_out:,.0f})"
    print(f"tokens    about {found.tokens_in:,.0f} in and {out}")
    if price is None:
        print(f"cost      unknown: the table of prices has no model {model} (--prices=FILE)")
    else:
        print(
            f"cost      about {found.cost(price):,.2f} {price.currency}, at most {found.cost(price, most=True):,.2f}, "
            f"by the example prices of {price.noted} for {price.model}: check them"
        )
    minutes = [
        found.requests / FLAGS.requests_per_minute if FLAGS.requests_per_minute else 0.0,
        (found.tokens_in + found.tokens_out) / FLAGS.tokens_per_minute if FLAGS.tokens_per_minute else 0.0,
    ]
    if max(minutes):
        print(f"time      at least {max(minutes):,.0f} minutes under the limits per minute")
    if work:
        question = work[0].question
        seen = f"image of {question.view.size[0]} × {question.view.size[1]} pixels" if question.view else "caption"
        print(f"\nfirst request: {question.key}, {seen}, prompt {question.prompt.name}")
        print(f"\n[system]\n{question.prompt.system}\n\n[user]")
        print(question.prompt.user.replace("{caption}", question.caption(work[0].samples[0])))


def _inspect() -> int:
    from prosepose_jax.io import load_answers, load_scenes
    from prosepose_jax.lmm import format_inspection, inspect_answers

    answers = load_answers(FLAGS.inspect)
    people = None
    if FLAGS.scenes:
        scenes = load_scenes(FLAGS.scenes)
        people = {scene.key: scene.num_people for scene in scenes}
    print(printable(format_inspection(list(inspect_answers(answers, FLAGS.parser, people)))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
