"""Every format: bit-exact decoding, execution equal to masked, bytes equal to the arithmetic and to the tensors."""

from __future__ import annotations

import pytest
import torch

from sparsity_report import registry
from sparsity_report.contracts import Pattern
from sparsity_report.formats.nm import pack_positions, unpack_positions
from sparsity_report.selection import nm_mask

PATTERNS = {
    "nm": ("2:4", "1:4", "4:8", "3:7", "1:2"),
    "semi-structured": ("2:4",),
    "bsr": ("unstructured", "block:8x8"),
}
SHAPES = [(8, 16), (5, 10), (1, 3), (64, 48)]


def sparse_weight(shape: tuple[int, int], pattern: Pattern, sparsity: float = 0.6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(shape[0] * 1000 + shape[1])
    weight = torch.randn(shape, generator=generator)
    if pattern.is_nm:
        mask = nm_mask(weight.abs(), pattern)
    else:
        tiles = [-(-side // unit) for side, unit in zip(shape, (pattern.height, pattern.width), strict=True)]
        mask = torch.rand(tiles, generator=generator) > sparsity
        mask = mask.repeat_interleave(pattern.height, 0).repeat_interleave(pattern.width, 1)[: shape[0], : shape[1]]
    return weight * mask + 0.0


def is_exact(name: str, pattern: Pattern, shape: tuple[int, int]) -> bool:
    """Whether a format's bytes follow from a count alone; of blocks they do where tiles are blocks that fill it."""
    return name != "bsr" or (pattern.unit == "block" and not (shape[0] % 8 or shape[1] % 8))


CASES = [
    (name, Pattern.parse(pattern), shape)
    for name in registry.names("formats")
    for pattern in PATTERNS.get(name, ("unstructured",))
    for shape in SHAPES
]


@pytest.mark.parametrize(("name", "pattern", "shape"), CASES, ids=str)
class TestEveryFormat:
    def test_decoding_gives_the_same_bits(self, name, pattern, shape):
        module, weight = registry.get("formats", name), sparse_weight(shape, pattern)

        decoded = module.decode(module.encode(weight, pattern, module.Params()), shape, pattern)

        assert torch.equal(weight.view(torch.int32), decoded.view(torch.int32))

    @pytest.mark.parametrize("leading", [(1,), (3,), (2, 4), (0,)], ids=str)
    @pytest.mark.parametrize("with_bias", [True, False])
    def test_execution_equals_masked(self, name, pattern, shape, leading, with_bias):
        """T53: 1-, 2- and 3-dimensional input, no tokens, bias or none; float64 is the judge."""
        module, weight = registry.get("formats", name), sparse_weight(shape, pattern)
        bias = torch.linspace(-1, 1, shape[0]) if with_bias else None
        x = torch.randn(*leading, shape[1], generator=torch.Generator().manual_seed(1))

        y = module.apply(module.encode(weight, pattern, module.Params()), shape, pattern, x, bias)

        expected = x.double() @ weight.double().T + (0 if bias is None else bias.double())
        assert expected.shape == y.shape
        assert torch.allclose(expected, y.double(), atol=1e-5)

    def test_bytes_are_those_of_the_tensors(self, name, pattern, shape):
        """T51: the arithmetic and the stored tensors agree, component by component."""
        module, weight = registry.get("formats", name), sparse_weight(shape, pattern)

        encoded = module.encode(weight, pattern, module.Params())

        expected = module.stored_bytes(*shape, int(weight.count_nonzero()), 4, pattern, module.Params())
        found = {component: tensor.nbytes for component, tensor in encoded.items()}
        assert expected.keys() == found.keys()
        if is_exact(name, pattern, shape):
            assert expected == found
        assert all(found[component] <= expected[component] for component in found)

    @pytest.mark.parametrize("dtype", [torch.int8, torch.bfloat16, torch.float16], ids=str)
    def test_low_precision_values_are_stored_as_they_are(self, name, pattern, shape, dtype):
        """Exact bytes of narrower values; decoding gives them back; row scales and bias are put on the product."""
        module, weight = registry.get("formats", name), sparse_weight(shape, pattern)
        values = (weight * 20).round().clamp(-127, 127).to(dtype) + 0
        scales = torch.linspace(0.5, 2.0, shape[0]) if dtype == torch.int8 else None
        bias = torch.linspace(-1, 1, shape[0])
        x = torch.randn(2, 3, shape[1], generator=torch.Generator().manual_seed(1))

        encoded = module.encode(values, pattern, module.Params())
        more = {} if scales is None else {"scales": scales}
        y = module.apply(encoded | more, shape, pattern, x, bias)

        kept, size = int(values.count_nonzero()), values.element_size()
        expected = module.stored_bytes(*shape, kept, size, pattern, module.Params())
        decoded = module.decode(encoded, shape, pattern)
        assert decoded.dtype == dtype
        assert torch.equal(values, decoded)
        if is_exact(name, pattern, shape) and name != "bsr":
            assert expected == {component: tensor.nbytes for component, tensor in encoded.items()}
        by_hand = x.double() @ (values.double() * (1 if scales is None else scales[:, None])).T + bias.double()
        assert y.dtype == x.dtype
        assert torch.allclose(by_hand, y.double(), rtol=1e-5, atol=1e-3)


PERMUTED = [
    (name, Pattern.parse(pattern), shape)
    for name in registry.names("formats")
    for pattern in (PATTERNS["nm"] if name != "semi-structured" else PATTERNS[name])
    for shape in SHAPES
]


def shuffled_weight(shape: tuple[int, int], pattern: Pattern) -> tuple[torch.Tensor, torch.Tensor]:
    """A weight in the model's order, and the order in which it is N:M."""
    order = torch.randperm(shape[1], generator=torch.Generator().manual_seed(shape[1]))
    return sparse_weight(shape, pattern)[:, order.argsort()], order


@pytest.mark.parametrize(("name", "pattern", "shape"), PERMUTED, ids=str)
class TestEveryFormatOfAPermutedState:
    """N:M in another order of in_features: the weight comes in the model's order, and so does x."""

    def test_decoding_gives_the_same_bits_in_the_models_order(self, name, pattern, shape):
        module, (weight, order) = registry.get("formats", name), shuffled_weight(shape, pattern)

        decoded = module.decode(module.encode(weight, pattern, module.Params(), order), shape, pattern)

        assert torch.equal(weight.view(torch.int32), decoded.view(torch.int32))

    @pytest.mark.parametrize("leading", [(1,), (2, 4), (0,)], ids=str)
    def test_execution_equals_masked(self, name, pattern, shape, leading):
        """T53: the gather of x is part of the product; float64 is the judge."""
        module, (weight, order) = registry.get("formats", name), shuffled_weight(shape, pattern)
        x = torch.randn(*leading, shape[1], generator=torch.Generator().manual_seed(1))

        y = module.apply(module.encode(weight, pattern, module.Params(), order), shape, pattern, x, None)

        expected = x.double() @ weight.double().T
        assert expected.shape == y.shape
        assert torch.allclose(expected, y.double(), atol=1e-5)

    def test_bytes_are_those_of_the_tensors(self, name, pattern, shape):
        """T51: the order is stored, and counted, by the formats that need it."""
        module, (weight, order) = registry.get("formats", name), shuffled_weight(shape, pattern)

        encoded = module.encode(weight, pattern, module.Params(), order)

        kept = int(weight.count_nonzero())
        expected = module.stored_bytes(*shape, kept, 4, pattern, module.Params(), permuted=True)
        found = {component: tensor.nbytes for component, tensor in encoded.items()}
        assert expected == found or (name == "bsr" and sum(found.values()) <= sum(expected.values()))
        assert ("permutation" in encoded) == (name == "nm")


def test_packed_n_of_m_needs_the_order_in_which_it_holds():
    nm = registry.get("formats", "nm")
    weight = torch.tensor([[1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0]])

    with pytest.raises(ValueError, match="more than 2 nonzeros"):
        nm.encode(weight, Pattern(2, 4), nm.Params())
    encoded = nm.encode(weight, Pattern(2, 4), nm.Params(), torch.tensor([0, 4, 1, 5, 2, 6, 3, 7]))
    assert encoded["values"].tolist() == [[1.0, 2.0, 3.0, 4.0]]


@pytest.mark.parametrize(("cols", "dtype"), [(2**15, torch.int16), (2**15 + 4, torch.int32)])
def test_the_order_of_a_wide_matrix_takes_32_bits(cols, dtype):
    """Columns are numbered from 0: the last one of 32,768 is 32,767, the largest number of 16 bits."""
    nm = registry.get("formats", "nm")
    weight = torch.zeros(1, cols)
    weight[0, -1] = 1.0

    encoded = nm.encode(weight, Pattern(2, 4), nm.Params(), torch.arange(cols).flip(0))

    assert encoded["permutation"].dtype is dtype
    assert torch.equal(weight, nm.decode(encoded, (1, cols), Pattern(2, 4)))
    assert nm.apply(encoded, (1, cols), Pattern(2, 4), torch.arange(cols).float(), None).item() == cols - 1


@pytest.mark.parametrize("pattern", ["row", "column", "block:2x4", "unstructured"])
def test_packed_n_of_m_refuses_other_patterns(pattern):
    parsed = Pattern.parse(pattern)
    refused = {name for name in registry.names("formats") if registry.get("formats", name).refuses(parsed)}

    assert refused == {"nm", "semi-structured"}
    assert (f'"{pattern}" removes whole units' in registry.get("formats", "nm").refuses(parsed)) == bool(parsed.unit)


@pytest.mark.parametrize("name", registry.names("formats"))
def test_all_zero_and_full_matrices(name):
    """T53: no nonzero at all, rows without any, and (where the pattern allows it) no zero at all."""
    module = registry.get("formats", name)
    grouped = name in ("nm", "semi-structured")
    pattern = Pattern(2, 4) if grouped else Pattern()
    zero, rows = torch.zeros(4, 8), torch.zeros(4, 8)
    rows[2, 3] = 7.0
    matrices = [zero, rows] + ([] if grouped else [torch.ones(4, 8)])
    x = torch.arange(16.0).view(2, 8)
    for weight in matrices:
        encoded = module.encode(weight, pattern, module.Params())

        assert torch.equal(weight, module.decode(encoded, (4, 8), pattern))
        assert torch.equal(x @ weight.T, module.apply(encoded, (4, 8), pattern, x, None))


def test_csr_counts_values_indices_and_pointers():
    """T51, T52: by hand: 3 nonzeros of 4 rows; 32-bit indices by default, 64-bit on request."""
    csr = registry.get("formats", "csr")
    weight = torch.zeros(4, 6)
    weight[0, 1], weight[2, 5], weight[3, 0] = 1.0, 2.0, 3.0

    narrow = csr.encode(weight, Pattern(), csr.Params())
    wide = csr.encode(weight, Pattern(), csr.Params(index="int64"))

    assert {name: each.nbytes for name, each in narrow.items()} == {"values": 12, "indices": 12, "pointers": 20}
    assert {name: each.nbytes for name, each in wide.items()} == {"values": 12, "indices": 24, "pointers": 40}
    assert narrow["pointers"].tolist() == [0, 1, 1, 2, 3]
    assert narrow["indices"].tolist() == [1, 5, 0]


def test_csr_with_16_bit_indices_where_the_columns_fit():
    """By hand: 3 indices of 2 bytes, 5 pointers of 4; one column more than 2¹⁵, and indices take 4 bytes again."""
    csr = registry.get("formats", "csr")
    params = csr.Params(index="int16")
    weight = torch.zeros(4, 2**15)
    weight[0, 1], weight[2, -1], weight[3, 0] = 1.0, 2.0, 3.0
    wide = torch.nn.functional.pad(weight, (0, 1))

    narrow, wider = csr.encode(weight, Pattern(), params), csr.encode(wide, Pattern(), params)

    assert {name: each.nbytes for name, each in narrow.items()} == {"values": 12, "indices": 6, "pointers": 20}
    assert {name: each.nbytes for name, each in wider.items()} == {"values": 12, "indices": 12, "pointers": 20}
    assert torch.equal(weight, csr.decode(narrow, (4, 2**15), Pattern()))
    x = torch.arange(2.0**15)[None]
    assert torch.equal(x @ weight.T, csr.apply(narrow, (4, 2**15), Pattern(), x, None))
    assert sum(csr.stored_bytes(4, 2**15, 3, 4, Pattern(), params).values()) == 38
    assert sum(csr.stored_bytes(4, 2**15 + 1, 3, 4, Pattern(), params).values()) == 44


def test_csc_counts_column_pointers():
    """By hand: 3 nonzeros of 6 columns: 7 pointers; values column by column."""
    csc = registry.get("formats", "csc")
    weight = torch.zeros(4, 6)
    weight[0, 1], weight[2, 5], weight[3, 0] = 1.0, 2.0, 3.0

    encoded = csc.encode(weight, Pattern(), csc.Params())

    assert {name: each.nbytes for name, each in encoded.items()} == {"values": 12, "indices": 12, "pointers": 28}
    assert encoded["values"].tolist() == [3.0, 1.0, 2.0]
    assert encoded["indices"].tolist() == [3, 0, 2]
    assert encoded["pointers"].tolist() == [0, 1, 2, 2, 2, 2, 3]


def test_bsr_stores_blocks_whole():
    """By hand: 9 x 16 in blocks of 8 x 8 are 2 x 2; the single weights of two of them take 64 values each."""
    bsr = registry.get("formats", "bsr")
    weight = torch.zeros(9, 16)
    weight[7, 8], weight[8, 0] = 1.0, 2.0

    encoded = bsr.encode(weight, Pattern(), bsr.Params())

    assert {name: each.nbytes for name, each in encoded.items()} == {"values": 512, "indices": 8, "pointers": 12}
    assert encoded["values"].count_nonzero() == 2
    assert (encoded["values"][0, 7, 0], encoded["values"][1, 0, 0]) == (1.0, 2.0)
    assert encoded["indices"].tolist() == [1, 0]


@pytest.mark.parametrize("block", ["1x1", "4x8", "8x4", "16x16", "3x5"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_blocks_of_every_size_are_executed(block, shape):
    """MKL takes square blocks, SciPy the others; edges that no block fills, and an empty matrix."""
    bsr = registry.get("formats", "bsr")
    params = bsr.Params(block=block)
    x = torch.randn(3, shape[1], generator=torch.Generator().manual_seed(1))
    for weight in (sparse_weight(shape, Pattern(), 0.9), torch.zeros(shape)):
        encoded = bsr.encode(weight, Pattern(), params)

        assert torch.equal(weight, bsr.decode(encoded, shape, Pattern()))
        assert torch.allclose(x @ weight.T, bsr.apply(encoded, shape, Pattern(), x, None), atol=1e-5)


def test_tiles_that_are_blocks_pay_and_single_weights_do_not():
    """64 weights of 4,096 are at most 64 blocks of 64, or one: 16,384 value bytes against 256."""
    bsr = registry.get("formats", "bsr")

    assert bsr.stored_bytes(64, 64, 64, 4, Pattern(), bsr.Params())["values"] == 16_384
    assert bsr.stored_bytes(64, 64, 64, 4, Pattern.parse("block:8x8"), bsr.Params())["values"] == 256
    assert bsr.stored_bytes(64, 64, 256, 4, Pattern.parse("block:16x16"), bsr.Params())["values"] == 1024


@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
def test_half_precision_models_are_executed(name):
    """T54: x and y of the model's type, the sums in float32."""
    module, weight = registry.get("formats", name), sparse_weight((8, 16), Pattern()).bfloat16()
    x = torch.randn(3, 16, generator=torch.Generator().manual_seed(1)).bfloat16()
    bias = torch.linspace(-1, 1, 8).bfloat16()

    y = module.apply(module.encode(weight, Pattern(), module.Params()), (8, 16), Pattern(), x, bias)

    expected = (x.double() @ weight.double().T + bias.double()).bfloat16()
    assert y.dtype == torch.bfloat16
    assert torch.allclose(expected, y, rtol=2**-7)


@pytest.mark.parametrize(
    ("sparsity", "value_bytes", "index", "ratio"),
    [
        (0.3, 4, "int32", 1.401),
        (0.3, 4, "int64", 2.102),
        (0.5, 4, "int32", 1.001),
        (0.7, 4, "int64", 0.902),
        (0.9, 4, "int32", 0.201),
        (0.3, 2, "int32", 2.102),
        (0.5, 2, "int64", 2.504),
        (0.8, 2, "int32", 0.602),
    ],
)
def test_csr_ratios_on_opt_125m(sparsity, value_bytes, index, ratio):
    """T51: bytes relative to dense over the 72 prunable matrices of OPT-125M, computed independently."""
    csr = registry.get("formats", "csr")
    shapes = [(768, 768)] * 48 + [(3072, 768)] * 12 + [(768, 3072)] * 12
    total = sum(rows * cols for rows, cols in shapes)
    size = sum(
        sum(
            csr.stored_bytes(
                rows, cols, round(rows * cols * (1 - sparsity)), value_bytes, Pattern(), csr.Params(index=index)
            ).values()
        )
        for rows, cols in shapes
    )

    assert ratio == pytest.approx(size / (total * value_bytes), abs=6e-4)


@pytest.mark.parametrize(("value_bytes", "ratio"), [(4, 0.53125), (2, 0.5625), (1, 0.625)])
def test_packed_2_of_4_takes_values_and_two_bits_each(value_bytes, ratio):
    """Two values and four bits for each four weights: 9/16 of 16-bit dense, which saves 43.75 %."""
    nm = registry.get("formats", "nm")

    size = sum(nm.stored_bytes(64, 128, 0, value_bytes, Pattern(2, 4), nm.Params()).values())

    assert ratio == size / (64 * 128 * value_bytes)


def test_nm_refuses_more_nonzeros_than_the_pattern_keeps():
    """T55: an error, never a silent drop."""
    nm = registry.get("formats", "nm")
    with pytest.raises(ValueError, match="more than 2 nonzeros"):
        nm.encode(torch.ones(1, 4), Pattern(2, 4), nm.Params())


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 8])
def test_positions_survive_packing(bits):
    positions = torch.randint(0, 2**bits, (5, 13), generator=torch.Generator().manual_seed(bits))

    packed = pack_positions(positions, bits)

    assert (5, -(-13 * bits // 8)) == tuple(packed.shape)
    assert torch.equal(positions, unpack_positions(packed, 13, bits))


def test_non_contiguous_inputs_are_taken():
    csr = registry.get("formats", "csr")
    weight = sparse_weight((8, 16), Pattern())
    x = torch.randn(16, 3).T

    y = csr.apply(csr.encode(weight, Pattern(), csr.Params()), (8, 16), Pattern(), x, None)

    assert torch.allclose(x @ weight.T, y, atol=1e-5)


@pytest.mark.parametrize("name", ["csr", "csc", "bsr"])
def test_what_the_products_on_a_cpu_do_not_take_is_widened_and_said(name):
    """T54: half precision, int8 codes and 16-bit indices; the layers are counted in which it happens."""
    module = registry.get("formats", name)
    narrow = module.Params(index="int16")

    def fallback(dtype, *encoded):
        return module.fallback("cpu", str(dtype).removeprefix("torch."), encoded, Pattern())

    def encoded(dtype, params=None):
        return module.encode(sparse_weight((8, 16), Pattern()).to(dtype), Pattern(), params or module.Params())

    plain, half, codes = encoded(torch.float32), encoded(torch.bfloat16), encoded(torch.int8)
    assert fallback(torch.float32, plain) is None
    assert fallback(torch.float32, plain, codes, half)[::2] == ("widened", 2)
    assert "takes no int8 and no bfloat16" in fallback(torch.float32, plain, codes, half)[1]
    assert "and x to float32" in fallback(torch.bfloat16, half)[1]
    assert "takes no 16-bit indices" in fallback(torch.float32, encoded(torch.float32, narrow))[1]


def test_csr_on_an_old_gpu_is_not_executed(monkeypatch):
    """cuSPARSE takes bfloat16 from compute capability 8.0 on, float32 and float16 from 5.3."""
    csr = registry.get("formats", "csr")
    half = csr.encode(sparse_weight((8, 16), Pattern()).bfloat16(), Pattern(), csr.Params())
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))

    what, why, count = csr.fallback("cuda", "bfloat16", [half], Pattern())
    assert (what, count) == ("not executed", 1)
    assert "compute capability 8.0 and values in bfloat16" in why
    assert csr.fallback("cuda", "float16", [{**half, "values": half["values"].half()}], Pattern()) is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (8, 0))
    assert csr.fallback("cuda", "bfloat16", [half], Pattern()) is None


def test_pytorch_still_has_no_half_precision_csr_product_on_a_cpu():
    """T54: what the widening is for. When this fails, PyTorch has learnt it, and the widening can go."""
    csr = registry.get("formats", "csr")
    encoded = csr.encode(sparse_weight((8, 16), Pattern()).bfloat16(), Pattern(), csr.Params())

    with pytest.raises(NotImplementedError):
        csr.as_csr(encoded, (8, 16), encoded["values"]) @ torch.ones(16, 2, dtype=torch.bfloat16)


def test_dense_low_precision_says_that_it_is_unpacked():
    dense = registry.get("formats", "dense")
    codes, plain = {"dense": torch.zeros(1, dtype=torch.int8)}, {"dense": torch.zeros(1)}

    assert dense.fallback("cpu", "float32", [plain], Pattern()) is None
    assert dense.fallback("cpu", "float32", [plain, codes, codes], Pattern())[::2] == ("unpacked", 2)


def test_pairs_of_2_4_are_never_unpacked_and_other_patterns_say_so(monkeypatch):
    """In bfloat16, where the machine multiplies pairs."""
    from sparsity_report.kernels import dots

    monkeypatch.setattr(dots, "takes", lambda: True)
    nm = registry.get("formats", "nm")
    for text, instead in (("2:4", None), ("4:8", "unpacked for many tokens")):
        pattern = Pattern.parse(text)
        layer = nm.encode(sparse_weight((4, 64), pattern).bfloat16(), pattern, nm.Params())
        found = nm.fallback("cpu", "bfloat16", [layer], pattern)
        assert instead == (found and found[0])


def test_packed_n_of_m_counts_the_layers_that_it_unpacks():
    """Also on CUDA: a layer without PyTorch's semi-structured tensor is unpacked, and the report must say so."""
    nm = registry.get("formats", "nm")
    packed, semi = {"values": torch.zeros(1), "positions": torch.zeros(1)}, {"semi_structured": torch.zeros(1)}

    assert nm.fallback("cuda", "float16", [packed, semi, packed], Pattern())[::2] == ("unpacked", 2)
    assert nm.fallback("cuda", "float16", [semi], Pattern()) is None


class TestSemiStructured:
    """T55: what can be known without CUDA: packing, what is refused, and what a cell says."""

    SEMI = registry.get("formats", "semi-structured")

    def weight(self, rows=64, cols=128, dtype=torch.bfloat16):
        weight = sparse_weight((rows, cols), Pattern(2, 4)).to(dtype)
        weight[0], weight[1, :4] = 0, 0  # a row and a group without any weight
        return weight + 0

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
    def test_packing_and_unpacking_give_the_same_bits(self, dtype):
        """Also of groups that keep one weight or none; 9/16 of the dense bytes."""
        weight = self.weight(dtype=dtype)
        weight[2, weight[2] != 0] *= torch.arange(int(weight[2].count_nonzero())) % 2  # one weight in most groups
        encoded = self.SEMI.encode(weight, Pattern(2, 4), self.SEMI.Params())

        found = {name: each.nbytes for name, each in encoded.items()}
        assert found == self.SEMI.stored_bytes(64, 128, 0, 2, Pattern(2, 4), self.SEMI.Params())
        assert sum(found.values()) * 16 == 64 * 128 * 2 * 9
        decoded = self.SEMI.decode(encoded, (64, 128), Pattern(2, 4))
        assert torch.equal((weight + 0).view(torch.int16), (decoded + 0).view(torch.int16))

    def test_more_than_two_of_four_are_refused(self):
        weight = self.weight()
        weight[5, 8:11] = 1.0

        with pytest.raises(ValueError, match="more than 2 nonzeros"):
            self.SEMI.encode(weight, Pattern(2, 4), self.SEMI.Params())

    @pytest.mark.parametrize(
        ("rows", "cols", "dtype"),
        [(48, 128, torch.bfloat16), (64, 96, torch.bfloat16), (64, 128, torch.float32), (64, 128, torch.int8)],
        ids=str,
    )
    def test_what_the_kernels_do_not_take_stays_dense(self, rows, cols, dtype):
        weight = self.weight(rows, cols, dtype)
        encoded = self.SEMI.encode(weight, Pattern(2, 4), self.SEMI.Params())

        assert encoded.keys() == {"dense"}
        size = weight.element_size()
        expected = self.SEMI.stored_bytes(rows, cols, 0, size, Pattern(2, 4), self.SEMI.Params())
        assert expected == {"dense": encoded["dense"].nbytes}

    def test_without_cuda_it_is_not_executed_and_says_what_it_takes(self):
        what, why, count = self.SEMI.fallback("cpu", "bfloat16", [{}, {}], Pattern())

        assert (what, count) == ("not executed", 2)
        assert "CUDA with compute capability 8.0 and values in bfloat16 or float16" in why
        assert "rows come in 32s and columns in 64s" in why
        assert "this study runs on cpu" in why

    def test_on_cuda_layers_that_stay_dense_are_counted(self):
        semi, dense = {"semi_structured": torch.zeros(1)}, {"dense": torch.zeros(1)}

        assert self.SEMI.fallback("cuda", "float16", [semi, semi], Pattern()) is None
        assert self.SEMI.fallback("cuda", "float16", [semi, dense], Pattern())[::2] == ("dense instead", 1)
        assert self.SEMI.fallback("cuda", "float16", [dense], Pattern())[0] == "not executed"
        assert self.SEMI.fallback("cuda", "float32", [semi], Pattern())[0] == "not executed"
