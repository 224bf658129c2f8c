"""What the processor can do is asked of the system, and of the user's settings."""

from voiceswap.model import processor
from voiceswap.model.processor import has_amx, is_bfloat16_quick, splits_dilated, uses_onednn


def test_what_the_processor_has_is_asked(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)

    def asked():
        return (
            uses_onednn(),
            splits_dilated(),
            is_bfloat16_quick(),
            has_amx(),
        )

    assert asked() == (False,) * 4
    for flags, wanted, told_so in (
        ("avx512f avx512_bf16 amx_bf16 amx_tile", (True, True, True, True), (True, True, True, True)),
        ("avx512f avx512_bf16 amx_bf16_not", (True, False, True, False), (True, False, True, False)),
        ("avx512f avx512_vnni", (True, False, False, False), (True, False, False, False)),
        ("avx2 avx_vnni", (True, True, False, False), (True, True, False, False)),
        ("avx2 fma", (False, False, False, False), (True, True, False, False)),
    ):
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : fpu sse {flags}\n")
        assert asked() == wanted
        for told, then in (("0", (False,) * 4), ("1", told_so), ("yes", wanted)):
            with monkeypatch.context() as environment:
                environment.setenv("TF_ENABLE_ONEDNN_OPTS", told)
                assert asked() == then
