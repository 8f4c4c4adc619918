using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class ConditionalUNetTests
{
    [TestMethod]
    public void Forward_BatchThatIsTakenInParts_GivesEveryRowsOutputAndGradient()
    {
        using var scope = NewDisposeScope();
        using var network = SeedUNet.CreateNetwork();
        const int Rows = 42; // the input of the last block has 33 MB
        var x = SeedUNet.Wave(5, Rows, 1, 32, 32);
        var t = arange(1, Rows + 1, ScalarType.Int64);
        var labels = arange(Rows, ScalarType.Int64).remainder(10);

        (Tensor Output, Tensor Gradient) Run(int start, int count)
        {
            var y = network.Forward(
                x.narrow(0, start, count),
                t.narrow(0, start, count),
                labels.narrow(0, start, count));
            return (y.detach(), autograd.grad([y.square().sum()], [network.Parameters])[0]);
        }

        var all = Run(0, Rows);
        var first = Run(0, 14);
        var rest = Run(14, 28);

        var outputError = (all.Output - cat([first.Output, rest.Output])).abs().max();
        Assert.IsLessThan(1e-5f, outputError.item<float>());
        var gradientError = (all.Gradient - first.Gradient - rest.Gradient).norm() / all.Gradient.norm();
        Assert.IsLessThan(1e-3f, gradientError.item<float>());
    }

    [TestMethod]
    public void StateDict_SeedShape_HasTheReferenceNamesAndShapesInOrder()
    {
        using var golden = new SeedUNet();
        var actual = SeedUNet.Shape.Tensors();

        Assert.AreSequenceEqual(golden.StateDict.Select(entry => entry.Name), actual.Select(entry => entry.Name));
        foreach (var (expected, entry) in golden.StateDict.Zip(actual))
            Assert.AreSequenceEqual(expected.Shape, entry.Shape, expected.Name);
    }

    [TestMethod]
    public void Forward_GoldenWeights_EqualsTheReference()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var golden = new SeedUNet();
        using var network = SeedUNet.CreateNetwork();
        var x = SeedUNet.Wave(101, 2, 1, 32, 32);

        var labelled = network.Forward(x, SeedUNet.Timesteps, SeedUNet.Labels);
        var unlabelled = network.Forward(x, SeedUNet.Timesteps, SeedUNet.NoLabels);

        TensorAssert.AreClose(golden["forward_eval"], labelled, 1e-6);
        TensorAssert.AreClose(golden["forward_eval_no_label"], unlabelled, 1e-6, stride: 31);
    }

    [TestMethod]
    public void Forward_NonSquareThreeChannels_KeepsTheShape()
    {
        using var scope = NewDisposeScope();
        var shape = new UNetShape(3, 12, 20, Labels: 2, EmbeddingSize: 7, [4, 6, 8]);
        using var network = ConditionalUNet.Create(shape, CPU, seed: 1);
        var y = network.Forward(ones(2, 3, 12, 20), tensor([1L, 9L]), tensor([0L, 1L]));
        Assert.AreSequenceEqual(new long[] { 2, 3, 12, 20 }, y.shape);
        Assert.IsTrue(y.isfinite().all().item<bool>());
    }

    [TestMethod]
    public void Create_SameSeed_GivesTheSameWeightsAndLeavesTheGlobalGeneratorAlone()
    {
        using var scope = NewDisposeScope();
        var before = Generator.Default.get_state();
        using var first = ConditionalUNet.Create(SeedUNet.Shape, CPU, seed: 5);
        using var second = ConditionalUNet.Create(SeedUNet.Shape, CPU, seed: 5);
        using var third = ConditionalUNet.Create(SeedUNet.Shape, CPU, seed: 6);
        Assert.IsTrue(first.Parameters.equal(second.Parameters).all().item<bool>());
        Assert.IsFalse(first.Parameters.equal(third.Parameters).all().item<bool>());
        Assert.IsTrue(before.equal(Generator.Default.get_state()).all().item<bool>());
    }

    [TestMethod]
    public void Create_DefaultInitialization_IsPyTorchs()
    {
        using var scope = NewDisposeScope();
        using var network = ConditionalUNet.Create(SeedUNet.Shape, CPU, seed: 5);
        var tensors = network.StateDict().ToDictionary(pair => pair.Entry.Name, pair => pair.Values);
        var bound = 1 / Math.Sqrt(128 * 9);
        Assert.AreEqual(bound, tensors["bot1.convs.0.weight"].abs().max().item<float>(), 1e-4);
        Assert.AreEqual(bound / Math.Sqrt(3), tensors["bot1.convs.0.weight"].std().item<float>(), 1e-4);
        Assert.IsLessThanOrEqualTo(bound, tensors["bot1.convs.0.bias"].abs().max().item<float>());
        Assert.AreEqual(1, tensors["label_emb.weight"].std().item<float>(), 0.05);
        Assert.AreEqual(64, tensors["up1.convs.4.weight"].sum().item<float>());
        Assert.AreEqual(64, tensors["up1.convs.4.running_var"].sum().item<float>());
        Assert.AreEqual(0, tensors["up1.convs.4.running_mean"].abs().sum().item<float>());
    }

    [TestMethod]
    public void Forward_NegativeLabel_LeavesTheOtherRowsAlone()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = SeedUNet.CreateNetwork();
        var x = SeedUNet.Wave(101, 2, 1, 32, 32);

        var labelled = network.Forward(x, SeedUNet.Timesteps, SeedUNet.Labels);
        var unlabelled = network.Forward(x, SeedUNet.Timesteps, SeedUNet.NoLabels);
        var mixed = network.Forward(x, SeedUNet.Timesteps, tensor([LabelRow.None, 8L]));

        TensorAssert.AreClose(unlabelled[0].data<float>().ToArray(), mixed[0], 1e-6);
        TensorAssert.AreClose(labelled[1].data<float>().ToArray(), mixed[1], 1e-6);
    }

    [TestMethod]
    public void Forward_TrainingOneValuePerChannel_LeavesThoseRunningStatisticsAlone()
    {
        using var scope = NewDisposeScope();
        var shape = new UNetShape(1, 4, 4, Labels: 2, EmbeddingSize: 4, [2, 2, 2]);
        using var network = ConditionalUNet.Create(shape, CPU, seed: 1);

        // The image is a single pixel in the bottom block, and a batch of one has no variance there.
        var y = network.Forward(
            SeedUNet.Wave(5, 1, 1, 4, 4),
            tensor([3L], ScalarType.Int64, CPU),
            tensor([1L], ScalarType.Int64, CPU),
            training: true);

        Assert.IsTrue(y.isfinite().all().item<bool>());
        var statistics = network.StateDict().Where(tensor => tensor.Entry.IsBuffer).ToArray();
        Assert.HasCount(20, statistics);
        foreach (var (entry, values) in statistics)
        {
            var initial = entry.Role == TensorRole.OneBuffer ? 1f : 0f;
            var isUpdated = values.data<float>().Any(value => value != initial);
            Assert.AreNotEqual(entry.Name.StartsWith("bot1", StringComparison.Ordinal), isUpdated, entry.Name);
            Assert.IsTrue(values.isfinite().all().item<bool>(), entry.Name);
        }
    }

    [TestMethod]
    public void Forward_BFloat16_IsCloseToFloat32()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = SeedUNet.CreateNetwork();
        var x = SeedUNet.Wave(101, 2, 1, 32, 32);
        var expected = network.Forward(x, SeedUNet.Timesteps, SeedUNet.Labels);
        var actual = network.Forward(x, SeedUNet.Timesteps, SeedUNet.Labels, type: ScalarType.BFloat16);
        Assert.AreEqual(ScalarType.Float32, actual.dtype);
        Assert.IsLessThan(0.03, ((actual - expected).norm() / expected.norm()).item<float>());
    }
}
