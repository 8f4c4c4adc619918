using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class ResidualUNetTests
{
    private static readonly UNetShape Shape = new(2, 8, 12, Labels: 3, EmbeddingSize: 9, [32, 64])
    {
        Architecture = NetworkArchitecture.Residual,
    };

    /// <summary>Attention is computed in another way where its gradient is needed.</summary>
    /// <param name="halfLogSnr">Half the logarithm of the signal-to-noise ratio.</param>
    /// <param name="label">The label; negative for none.</param>
    /// <param name="forGradient">Whether the gradient is needed.</param>
    [TestMethod]
    [DataRow(-2.5, 1, false)]
    [DataRow(0.3, 2, true)]
    [DataRow(4.5, -1, false)]
    public void Forward_AnyWeights_EqualsTheNaiveComputation(double halfLogSnr, int label, bool forGradient)
    {
        using var scope = NewDisposeScope();
        using var mode = set_grad_enabled(forGradient);
        using var network = Create();
        var naive = new NaiveResidualUNet(Shape, network.StateDict().ToDictionary(
            tensor => tensor.Entry.Name,
            tensor => tensor.Values.to(ScalarType.Float64).data<double>().ToArray()));
        var x = SeedUNet.Wave(7, 1, 2, 8, 12);

        var actual = network.Forward(x, tensor([(float)halfLogSnr]), tensor([(long)label]));

        var image = x.data<float>().Select(value => (double)value).ToArray();
        var expected = naive.Predict(image, halfLogSnr, label < 0 ? null : label);
        TensorAssert.AreClose([.. expected.Select(value => (float)value)], actual, 1e-4);
        Assert.AreEqual(forGradient, actual.requires_grad);
    }

    /// <summary>A block that adds nothing, and an attention that adds nothing, are where training starts.</summary>
    [TestMethod]
    public void Create_Initially_LeavesOutEveryBranch()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = ConditionalUNet.Create(Shape, CPU, seed: 1);
        using var other = ConditionalUNet.Create(Shape, CPU, seed: 1);
        foreach (var (entry, values) in other.StateDict().Where(tensor => IsInBranch(tensor.Entry.Name)))
            values.fill_(0.3);

        var x = SeedUNet.Wave(7, 2, 2, 8, 12);
        var noise = tensor([0.5f, -1]);
        var labels = tensor([0L, 2L]);
        TensorAssert.AreClose(
            network.Forward(x, noise, labels).data<float>().ToArray(), other.Forward(x, noise, labels), 1e-6);

        static bool IsInBranch(string name) =>
            name.Contains("conv", StringComparison.Ordinal) || name.Contains("qkv", StringComparison.Ordinal);
    }

    [TestMethod]
    public void Forward_Training_GivesEveryParameterAGradientOnceTheBranchesAreOpen()
    {
        using var scope = NewDisposeScope();
        using var network = Create();
        var y = network.Forward(
            SeedUNet.Wave(7, 4, 2, 8, 12), tensor([0.5f, -1, 2, 0]), tensor([0L, 2L, 1L, -1L]), training: true);
        var gradient = autograd.grad([y.square().sum()], [network.Parameters])[0];

        var parameters = Shape.Tensors().Where(entry => !entry.IsBuffer).ToArray();
        foreach (var (entry, part) in parameters.Zip(gradient.split([.. parameters.Select(entry => entry.Length)])))
        {
            // A constant before a batch norm, and a constant added to every score, change nothing.
            if (entry.Name.EndsWith("conv1.bias", StringComparison.Ordinal)) continue;
            if (entry.Name.EndsWith("conv2.bias", StringComparison.Ordinal)) continue;
            Assert.IsGreaterThan(1e-4f, part.norm().item<float>(), entry.Name);
        }
    }

    [TestMethod]
    public void Forward_BFloat16_IsCloseToFloat32()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = Create();
        var x = SeedUNet.Wave(7, 3, 2, 8, 12);
        var noise = tensor([0.5f, -1, 2]);
        var labels = tensor([0L, 2L, -1L]);
        var expected = network.Forward(x, noise, labels);
        var actual = network.Forward(x, noise, labels, type: ScalarType.BFloat16);
        Assert.AreEqual(ScalarType.Float32, actual.dtype);
        Assert.IsLessThan(0.03, ((actual - expected).norm() / expected.norm()).item<float>());
    }

    /// <summary>An architecture is data: other blocks and resolutions make another network that works.</summary>
    [TestMethod]
    public void Apply_FormOfOtherBlocks_EvaluatesThemInTheOrderOfTheirPlaces()
    {
        var form = ResidualUNet.Form with
        {
            Encoder = [PlainBlock.Kind, ResidualBlock.Kind],
            Middle = [PlainBlock.Kind],
            Decoder = [ResidualBlock.Kind],
        };
        var visited = new List<string>();
        form.Apply("x", resolutions: 3, (number, x, skip, pools) =>
        {
            visited.Add($"{number}{(pools ? " pools" : "")}{(skip is null ? "" : " joins")}");
            return x;
        });
        Assert.AreSequenceEqual(["0", "1", "2 pools", "3", "4 pools", "5 joins", "6 joins"], visited);
    }

    [TestMethod]
    public void Encode_NearbyNoiseLevels_AreNearAndDistantOnesFar()
    {
        using var scope = NewDisposeScope();
        var codes = NoiseLevelEmbedding.Encode(tensor([0f, 0.01f, 3f]), 100);
        Assert.IsLessThan(0.5, (codes[0] - codes[1]).norm().item<float>());
        Assert.IsGreaterThan(5, (codes[0] - codes[2]).norm().item<float>());
    }

    [TestMethod]
    public void Encode_WithoutLibtorch_GivesTheSameNumbers()
    {
        using var scope = NewDisposeScope();
        foreach (var size in new[] { 1, 2, 7, 100 })
        {
            foreach (var level in new[] { -5.1f, 0, 0.3f, 4.9f })
            {
                TensorAssert.AreClose(
                    NoiseLevelEmbedding.Encode(level, size), NoiseLevelEmbedding.Encode(tensor([level]), size), 1e-5);
            }
        }
    }

    private static ConditionalUNet Create()
    {
        using var generator = new Generator(4, CPU);
        return ConditionalUNet.Create(Shape, CPU, entry =>
        {
            bool Ends(string name) => entry.Name.EndsWith(name, StringComparison.Ordinal);
            return entry switch
            {
                _ when Ends("running_var") => empty(entry.Shape).uniform_(0.5, 2, generator),
                { FanIn: > 0 } => empty(entry.Shape).normal_(0, Math.Sqrt(1.0 / entry.FanIn), generator),
                { Role: TensorRole.One } => empty(entry.Shape).uniform_(0.5, 1.5, generator),
                _ => empty(entry.Shape).normal_(0, 0.5, generator),
            };
        });
    }
}
