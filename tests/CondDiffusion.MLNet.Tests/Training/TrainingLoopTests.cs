using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class TrainingLoopTests
{
    private static readonly UNetShape Small = new(1, 8, 8, Labels: 2, EmbeddingSize: 8, [4, 6, 8]);

    [TestMethod]
    public void Step_GoldenInputs_EqualsTheReferenceLossesAndBuffers()
    {
        using var scope = NewDisposeScope();
        using var golden = new SeedUNet();
        using var network = SeedUNet.CreateNetwork();
        using var loop = new TrainingLoop(network, NoiseSchedule.Linear(1000), new(1, 2, 5e-4, 0, ScalarType.Float32, 0));
        var (x0, eps) = (0.9 * SeedUNet.Wave(202, 2, 1, 32, 32), 1.2 * SeedUNet.Wave(303, 2, 1, 32, 32));

        var first = loop.Step(x0, SeedUNet.Timesteps, eps, SeedUNet.Labels).item<float>();
        Assert.AreEqual(golden.Number("train_loss"), first, 1e-6);
        // Adam's first step follows the sign of every gradient, that of rounding noise too: no closer than 5e-4.
        var second = loop.Step(x0, SeedUNet.Timesteps, eps, SeedUNet.Labels).item<float>();
        Assert.AreEqual(golden.Number("train_loss_after_one_adam_step"), second, 5e-4);

        var buffers = network.StateDict().ToDictionary(pair => pair.Entry.Name, pair => pair.Values);
        TensorAssert.AreClose(golden["running_mean_down1_bn1_after"], buffers["down1.convs.1.running_mean"].narrow(0, 0, 8), 5e-5);
    }

    [TestMethod]
    public void Gradient_GoldenInputs_HasTheReferenceNorms()
    {
        using var scope = NewDisposeScope();
        using var golden = new SeedUNet();
        using var network = SeedUNet.CreateNetwork();
        using var process = new ForwardProcess(NoiseSchedule.Linear(1000), CPU);
        var (x0, eps) = (0.9 * SeedUNet.Wave(202, 2, 1, 32, 32), 1.2 * SeedUNet.Wave(303, 2, 1, 32, 32));
        var xt = process.AddNoise(x0, SeedUNet.Timesteps, eps);
        var loss = nn.functional.mse_loss(network.Forward(xt, SeedUNet.Timesteps, SeedUNet.Labels, training: true), eps);
        var gradient = autograd.grad([loss], [network.Parameters])[0];

        var parameters = SeedUNet.Shape.Tensors().Where(entry => !entry.IsBuffer).ToList();
        var norms = parameters.Zip(gradient.split([.. parameters.Select(entry => entry.Length)])).ToDictionary(pair => pair.First.Name, pair => pair.Second.norm().item<float>());
        // Under the golden weights many activations lie so near the corner of a ReLU that rounding, like 1e-6 on the input, flips some of
        // them: the default layout agrees to 5e-4, channels-last to 15%. With random weights the two layouts agree to 1e-5.
        foreach (var (name, expected) in golden.Table<double>("grad_norm"))
            Assert.AreEqual(expected, norms[name], 0.15 * expected + 1e-6, name);
    }

    [TestMethod]
    public void Run_SameSeed_GivesTheSameWeightsAndLosses()
    {
        var (weights, losses) = Train(seed: 3);
        var (again, lossesAgain) = Train(seed: 3);
        var (other, _) = Train(seed: 4);
        Assert.AreSequenceEqual(weights, again);
        Assert.AreSequenceEqual(losses, lossesAgain);
        Assert.AreNotEqual(weights[0], other[0]);
    }

    [TestMethod]
    public void Run_FewImages_LowersTheLoss()
    {
        var losses = Train(seed: 3, epochs: 40).Losses;
        Assert.IsLessThan(0.7 * losses[..8].Average(), losses[^8..].Average());
    }

    [TestMethod]
    public void Run_Finished_LeavesNoTensor()
    {
        Train(seed: 1);
        var before = Tensor.TotalCount;
        Train(seed: 1);
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    [TestMethod]
    public void Run_NotFiniteLoss_SaysStepAndLearningRate()
    {
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Train(seed: 1, epochs: 20, learningRate: 1e30));
        Assert.Contains("1E+30", exception.Message);
        Assert.Contains("step", exception.Message);
    }

    private static (float[] Weights, double[] Losses) Train(ulong seed, int epochs = 2, double learningRate = 5e-3, double decay = 0, ScalarType type = ScalarType.Float32)
    {
        using var network = ConditionalUNet.Create(Small, CPU, seed);
        using var loop = new TrainingLoop(network, NoiseSchedule.Linear(100), new(epochs, 4, learningRate, decay, type, seed));
        var store = new ImageStore(Small.Pixels);
        for (var i = 0; i < 10; i++) store.Add([.. Enumerable.Repeat(i % 2 == 0 ? 1f : -1f, Small.Pixels)], i % 2);
        var losses = new List<double>();
        loop.Run(store, progress => losses.Add(progress.Loss));
        return (network.Parameters.data<float>().ToArray(), [.. losses]);
    }
}
