using System.Globalization;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Parity;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class AncestralSamplerTests
{
    [TestMethod]
    public void Sample_GoldenNetwork_EqualsTheReferenceLoopAndItsSnapshots()
    {
        using var scope = NewDisposeScope();
        using var golden = new SeedUNet();
        using var network = SeedUNet.CreateNetwork();
        var expected = golden.Table<float[]>("reverse_loop_every_31st").ToDictionary(
            pair => int.Parse(pair.Key, CultureInfo.InvariantCulture), pair => pair.Value);
        var start = (1.4 * SeedUNet.Wave(404, 1, 1, 32, 32)).expand(2, 1, 32, 32);
        var seen = 0;

        var x = AncestralSampler.Sample(
            (x, t) => network.Forward(x, full([2], t, ScalarType.Int64), SeedUNet.Labels),
            NoiseSchedule.Linear(1000),
            start,
            t => 1.4 * SeedUNet.Wave(500 + t, 2, 1, 32, 32),
            (t, x) =>
            {
                if (!expected.TryGetValue(t, out var values)) return;
                TensorAssert.AreClose(values, x, 2e-4 * values.Max(Math.Abs), stride: 31);
                seen++;
            });

        Assert.AreEqual(expected.Count, seen);
        var final = golden["reverse_final"];
        TensorAssert.AreClose(final, x, 2e-4 * final.Max(Math.Abs));
    }

    [TestMethod]
    public void Sample_VisitThrows_LeavesNoTensor()
    {
        var before = Tensor.TotalCount;
        Assert.ThrowsExactly<OperationCanceledException>(() =>
        {
            using var scope = NewDisposeScope();
            AncestralSampler.Sample((x, t) => x * 0.1, NoiseSchedule.Linear(3), ones(1), t => zeros(1), (t, x) => throw new OperationCanceledException());
        });
        Assert.AreEqual(before, Tensor.TotalCount);
    }
}
