"""Which questions a folder gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from asking import make_picture, make_scene

from prosepose_jax.io import save_scene
from prosepose_jax.io.scenes import scene_files
from prosepose_jax.lmm import load_prompt, make_questions

PROMPTS = {1: load_prompt("yoga"), 2: load_prompt("two_people")}


def _folder(tmp_path: Path) -> Path:
    folder, image = tmp_path / "scenes", make_picture(tmp_path / "scenes" / "a.jpg")
    save_scene(folder, make_scene("alone", image, people=1))
    save_scene(folder, make_scene("apart", image, spread=300.0))
    save_scene(folder, make_scene("group", image, people=4, spread=75.0))
    save_scene(folder, make_scene("crowd", image, people=3, spread=200.0))
    save_scene(folder, make_scene("unseen"))
    save_scene(folder, make_scene("lost", folder / "none.jpg"))
    np.savez(folder / "broken.npz", global_orient=np.zeros((2, 3)))
    return folder


def test_one_question_a_scene_or_overlapping_pair(tmp_path: Path) -> None:
    found = make_questions(scene_files(_folder(tmp_path)), PROMPTS)
    by_key = {}
    for question in found.questions:
        by_key.setdefault(question.key, []).append(question)
    pairs = {key: [question.pair for question in some] for key, some in by_key.items()}
    # Two people are always asked about; of more, those whose boxes overlap.
    assert pairs == {"alone": [(0, 0)], "apart": [(0, 1)], "group": [(0, 1), (1, 2), (2, 3)]}
    assert by_key["alone"][0].prompt.id == "yoga" and by_key["apart"][0].prompt.id == "two_people"
    assert len({question.input_hash for question in by_key["group"]}) == 3
    boxes = [question.view.box for question in by_key["group"]]
    assert boxes[0][0] < boxes[1][0] < boxes[2][0]
    assert found.notes == ["crowd: none of the 3 people overlap, nothing is asked"]
    assert set(found.failures) == {"unseen", "lost", "broken"}
    assert "field 'image' is missing" in found.failures["unseen"] and "none.jpg" in found.failures["lost"]
    assert all(question.order == "free" for question in found.questions)


def test_marked_people_have_an_order(tmp_path: Path) -> None:
    files = [file for file in scene_files(_folder(tmp_path)) if file.stem in ("alone", "apart")]
    alone, apart = make_questions(files, PROMPTS, marked=True).questions
    assert apart.order == "given" and apart.view.marked and "red box" in apart.prompt.system
    assert alone.order == "free" and not alone.view.marked


def test_a_prompt_for_the_wrong_number_of_people(tmp_path: Path) -> None:
    found = make_questions(scene_files(_folder(tmp_path)), {2: PROMPTS[2]})
    assert "has 1 person, prompt two_people is about two or more" in found.failures["alone"]
    found = make_questions(scene_files(_folder(tmp_path)), {1: PROMPTS[1]})
    assert "has 4 people, prompt yoga is about one" in found.failures["group"]


def test_clients_that_see_nothing_need_no_image(tmp_path: Path) -> None:
    found = make_questions(scene_files(_folder(tmp_path)), PROMPTS, shown=False)
    assert {question.key for question in found.questions} == {"alone", "apart", "group", "unseen", "lost"}
    assert all(question.view is None and question.input_hash == "" for question in found.questions)


def test_captions_take_turns(tmp_path: Path) -> None:
    files = [file for file in scene_files(_folder(tmp_path)) if file.stem in ("unseen", "apart")]
    texts = {"unseen": ["one", " ", "two"], "apart": []}
    found = make_questions(files, {2: load_prompt("caption")}, captions=texts.__getitem__)
    (question,) = found.questions
    assert [question.caption(k) for k in range(3)] == ["one", "two", "one"] and question.view is None
    assert "the captions hold none for apart" in found.failures["apart"]
