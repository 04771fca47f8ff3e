"""Captions, as commands of a call: pure, decided in the group like any other."""

from callstore.calls.lifecycle import held
from callstore.calls.lifecycle.turn import Context, State, Transition, Turn, heard
from callstore.captions.commands import AddCaptions, DeleteCaption, OnCaption, TranslateCaption
from callstore.captions.merge import merge, translated
from callstore.captions.model import Caption
from callstore.errors import Forbidden, Invalid, NotFound
from callstore.validation import MAX_TRANSLATIONS

_TOO_MANY = f"would make more than {MAX_TRANSLATIONS} translations"


def decide_add(state: State, command: AddCaptions, context: Context) -> Transition:
    """Each segment as it is afterwards, in the order given; of a live party a sign of life."""
    turn, settings = Turn(state, context), state.call.settings
    if settings is not None and settings.transcription_enabled is False:
        raise Forbidden("the call's settings forbid transcription")
    speaker = heard(turn, command.party)
    turn.made.answer = []
    for number, said in enumerate(command.segments):
        old = turn.caption(speaker.id, said.segment_id)
        made = merge(old, said, speaker=speaker, now=turn.now, new_id=context.new_id)
        if len(made.translations or {}) > MAX_TRANSLATIONS:
            raise Invalid.field(f"/segments/{number}/translations", _TOO_MANY)
        if made is not old:
            turn.made.captions[made.key] = made
        turn.made.answer.append(made)
    return turn.made


def decide_translate(state: State, command: TranslateCaption, context: Context) -> Transition:
    """At any time: a translation may come when the call has long ended."""
    turn = Turn(state, context)
    caption = _found(turn, command)
    if command.language == caption.language:
        raise Invalid.field("/language", "is the one that was spoken")
    made = translated(caption, command.language, command.text)
    if len(made.translations or {}) > MAX_TRANSLATIONS:
        raise Invalid.field("/language", _TOO_MANY)
    turn.made.captions[made.key] = turn.made.answer = made
    return turn.made


def decide_delete(state: State, command: DeleteCaption, context: Context) -> Transition:
    turn = Turn(state, context)
    caption = _found(turn, command)
    held.need_free(turn)
    turn.made.captions[caption.key] = None
    turn.made.answer = ()
    return turn.made


def _found(turn: Turn, command: OnCaption) -> Caption:
    caption = turn.caption(command.participant_id, command.segment_id)
    if caption is None or caption.id != command.caption_id:
        raise NotFound("caption", command.caption_id)
    return caption
