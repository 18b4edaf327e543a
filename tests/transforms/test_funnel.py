"""The funnel file: the committed one, and what is said of a wrong one."""

import pytest

from transforms.funnel import NAME, Funnel, FunnelError, Step, load_funnel

GOOD = """
[[step]]
step = "1"
kpi = "Leads"
kind = "stage"
match = ["New Leads"]
"""


@pytest.fixture
def load(tmp_path):
    """Write a funnel file and read it."""

    def loaded(text: str) -> Funnel:
        path = tmp_path / "funnel.toml"
        path.write_text(text, encoding="utf-8")
        return load_funnel(path)

    return loaded


@pytest.fixture
def complaint(load):
    """What is said of a wrong funnel file."""

    def said(text: str) -> str:
        with pytest.raises(FunnelError) as caught:
            load(text)
        return str(caught.value)

    return said


def step(**fields: str) -> str:
    """Draw a step with some fields changed, each given as TOML; "" leaves it out."""
    written = {"step": '"2"', "kpi": '"Offer"', "kind": '"stage"', "match": '["Offer"]', **fields}
    return "\n[[step]]\n" + "\n".join(f"{key} = {value}" for key, value in written.items() if value)


def test_the_committed_funnel_is_the_one_of_the_design():
    steps = [(each.step, each.kpi, each.kind, each.codes, each.won) for each in load_funnel().steps]
    assert steps == [
        ("1", "Lead Generation", "stage", ("lead_generation",), False),
        ("2", "Qualified Lead", "stage", ("qualified_lead",), False),
        ("2.1", "Sales Call 1", "activity", ("meeting",), False),
        ("3", "Needs Assessment", "stage", ("needs_assessment",), False),
        ("3.1", "Sales Call 2", "activity", ("sc_2",), False),
        ("4", "Proposal/Quote Preparation", "stage", ("proposal_quote_preparation",), False),
        ("5", "Negotiation", "stage", ("negotiation",), False),
        ("6", "Closing", "stage", ("closing",), False),
        ("7", "Implementation/Onboarding", "stage", ("implementation_onboarding",), True),
        ("8", "Follow-up/Customer Success", "stage", ("follow_up_customer_success",), True),
        ("9", "Renewal/Expansion", "stage", ("renewal_expansion",), True),
        ("Lost", "Lost", "loss", (), False),
    ]


def test_a_step_needs_a_number_a_kpi_a_kind_and_what_it_matches(load):
    assert load(GOOD) == Funnel((Step("1", "Leads", "stage", ("New Leads",), won=False),))


def test_names_of_every_script_work(load):
    funnel = load(step(step='"Größe"', kpi='"見積 ✓"', match='["見積 送付"]'))
    assert funnel.step_by_code("stage") == {"見積_送付": "Größe"}
    assert funnel.steps[0].column == "step_größe_entered_at"


def test_columns_are_named_by_the_code_of_the_step(load):
    steps = load(
        GOOD + step(step='"2.1"') + step(step='"Lost"', kpi='"L"', kind='"loss"', match="")
    )
    assert [each.column for each in steps.steps] == [
        "step_1_entered_at",
        "step_2_1_entered_at",
        "step_lost_entered_at",
    ]


def test_a_stage_and_an_activity_may_have_the_same_name(load):
    funnel = load(GOOD + step(kind='"activity"', match='["new-leads"]'))
    assert funnel.step_by_code("stage") == {"new_leads": "1"}
    assert funnel.step_by_code("activity") == {"new_leads": "2"}


WHERE = "funnel.toml: step number 2 ('2'): "


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kind": '"phase"'}, "unknown kind 'phase'; use one of stage, activity, loss"),
        ({"wnn": "true"}, "unknown key 'wnn'; known are kind, kpi, match, step, won"),
        ({"kpi": ""}, f"kpi must be {NAME}"),
        ({"kpi": "7"}, f"kpi must be {NAME}"),
        ({"kpi": '" - "'}, f"kpi must be {NAME}"),
        ({"kind": ""}, f"kind must be {NAME}"),
        ({"kpi": r'"Clos\u0000ing"'}, f"kpi must be {NAME}"),
        ({"match": '"Offer"'}, f"match must be a list of names, each {NAME}"),
        ({"match": "[1]"}, f"match must be a list of names, each {NAME}"),
        ({"match": '["Offer", ""]'}, f"match must be a list of names, each {NAME}"),
        ({"match": r'["Of\nfer"]'}, f"match must be a list of names, each {NAME}"),
        ({"match": ""}, "a loss step matches nothing, every other kind something"),
        ({"match": "[]"}, "a loss step matches nothing, every other kind something"),
        ({"kind": '"loss"'}, "a loss step matches nothing, every other kind something"),
        ({"won": '"yes"'}, "won must be true or false"),
        ({"won": "true", "kind": '"activity"'}, "only a stage can be won"),
        ({"won": "true", "kind": '"loss"', "match": ""}, "only a stage can be won"),
    ],
)
def test_of_a_wrong_step_it_is_said_which_and_what(complaint, fields, said):
    assert complaint(GOOD + step(**fields)) == WHERE + said


def test_a_step_without_a_number_is_known_by_its_place(complaint):
    assert complaint(GOOD + step(step="")) == (
        "funnel.toml: step number 2: step must be a text in one line, with a letter or digit in it"
    )


def test_a_number_that_is_not_text_is_wrong(complaint):
    assert complaint(GOOD + step(step="2.1")) == (
        "funnel.toml: step number 2 (2.1): step must be a text in one line,"
        " with a letter or digit in it"
    )


def test_a_step_cannot_be_there_twice(complaint):
    said = complaint(GOOD + step(step='"1"'))
    assert said == "funnel.toml: step '1' is there twice"


def test_two_steps_cannot_share_a_column(complaint):
    said = complaint(GOOD + step(step='"2.1"') + step(step='"2-1"', kpi='"K"', match='["m"]'))
    assert said == "funnel.toml: step '2-1' is there twice"


def test_the_name_of_a_step_fits_into_that_of_a_column(complaint, load):
    longest = "s" * (63 - len("step__entered_at"))
    assert load(GOOD + step(step=f'"{longest}"')).steps[-1].step == longest
    said = complaint(GOOD + step(step=f'"{longest}s"'))
    assert said == (
        f"funnel.toml: step '{longest}s' is too long for the name of a column; shorten it"
    )


def test_a_byte_order_mark_is_no_fault(load):
    assert load("\ufeff" + GOOD) == load(GOOD)


def test_a_funnel_has_at_most_sixty_steps(complaint):
    said = complaint("".join(step(step=f'"{n}"', kpi=f'"K{n}"') for n in range(61)))
    assert said == "funnel.toml: 61 steps; at most 60 can be counted"


def test_a_kpi_cannot_be_there_twice(complaint):
    assert complaint(GOOD + step(kpi='"Leads"')) == "funnel.toml: kpi 'Leads' is there twice"


def test_two_steps_cannot_match_the_same_stage_however_it_is_written(complaint):
    assert complaint(GOOD + step(match='["NEW_leads"]')) == (
        "funnel.toml: stage 'new_leads' is matched more than once ('1', '2'); leave it in one step"
    )


def test_two_steps_cannot_match_the_same_activity(complaint):
    calls = step(kind='"activity"', match='["SC-2"]')
    calls += step(step='"3"', kpi='"Call"', kind='"activity"', match='["sc 2"]')
    assert complaint(GOOD + calls) == (
        "funnel.toml: activity 'sc_2' is matched more than once ('2', '3'); leave it in one step"
    )


def test_there_is_at_least_one_stage(complaint):
    assert complaint(step(kind='"activity"')) == (
        "funnel.toml: it needs at least one step of kind 'stage'"
    )


@pytest.mark.parametrize("last", [{"kind": '"loss"', "match": ""}, {"match": '["Later"]'}])
def test_only_the_last_step_can_be_a_loss(complaint, last):
    losses = step(kind='"loss"', match="") + step(step='"3"', kpi='"Third"', **last)
    assert complaint(GOOD + losses) == "funnel.toml: only the last step can be of kind 'loss'"


@pytest.mark.parametrize("text", ["", "steps = 1", "step = []", 'step = "1"', GOOD + "[more]"])
def test_a_file_of_anything_but_steps_is_wrong(complaint, text):
    assert complaint(text) == "funnel.toml: it must hold [[step]] entries, and nothing else"


def test_a_list_of_anything_but_entries_is_wrong(complaint):
    assert complaint("step = [1]") == "funnel.toml: step number 1: write it as a [[step]] entry"


def test_of_a_file_that_is_not_toml_it_is_said_where(complaint):
    said = complaint(GOOD + "step 2")
    assert said.startswith("funnel.toml: ")
    assert "line 7" in said


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FunnelError, match=r"^funnel\.toml: .*No such file"):
        load_funnel(tmp_path / "funnel.toml")


def test_a_file_that_is_not_utf_8_is_wrong(tmp_path):
    path = tmp_path / "funnel.toml"
    path.write_bytes(GOOD.replace("New", "Größe").encode("latin-1"))
    with pytest.raises(FunnelError, match=r"^funnel\.toml: not UTF-8; save it as UTF-8$"):
        load_funnel(path)
