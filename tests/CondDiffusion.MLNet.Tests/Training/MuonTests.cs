using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class MuonTests
{
    private static readonly UNetShape Shape =
        SmallTraining.Shape with { Widths = [32, 40, 48], EmbeddingSize = 36, Labels = 33 };

    /// <summary>The iteration is a polynomial of each singular value, which the decomposition knows exactly.</summary>
    [TestMethod]
    [DataRow(20, 30)]
    [DataRow(30, 20)]
    [DataRow(1, 7)]
    public void Orthogonalize_AnyShape_KeepsTheSingularVectorsAndEvensTheValues(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var matrix = randn([rows, columns], ScalarType.Float32, CPU, generator: generator);

        var actual = Muon.Orthogonalize(matrix, ScalarType.Float32);

        var (expected, values) = Exact(matrix);
        TensorAssert.AreClose(expected.to(ScalarType.Float32), actual, 1e-4);
        Assert.IsTrue(values.All(value => value is > 0.65 and < 1.25), string.Join(", ", values));
    }

    [TestMethod]
    public void Orthogonalize_BFloat16_IsNearFloat32()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var matrix = randn([48, 288], ScalarType.Float32, CPU, generator: generator);

        var rounded = Muon.Orthogonalize(matrix, ScalarType.BFloat16).to(ScalarType.Float32);

        var exact = Exact(matrix).Result.to(ScalarType.Float32);
        Assert.IsLessThan(0.05, ((rounded - exact).norm() / exact.norm()).ToDouble());
    }

    [TestMethod]
    public void Orthogonalize_Zero_IsZero() =>
        TensorAssert.AreClose(new float[6], Muon.Orthogonalize(Zeros(2, 3), ScalarType.Float32), 0);

    /// <summary>
    /// A weight of a convolution or a linear layer moves along the orthogonal matrix of Nesterov's gradient, with a
    /// root mean square of 0.4 learning rates, and everything else as TorchSharp's Adam moves it.
    /// </summary>
    [TestMethod]
    public void Step_TwoSteps_MovesLayersAlongOrthogonalMatricesAndTheRestAsAdam()
    {
        using var scope = NewDisposeScope();
        using var network = ConditionalUNet.Create(Shape, CPU, seed: 1);
        using var muon = new Muon(network, ScalarType.Float32);
        using var generator = new Generator(2, CPU);
        using var reference = new Parameter(network.Parameters.detach().clone());
        using var adam = optim.Adam([reference], lr: 0.01, beta1: 0.95);
        var mean = zeros_like(reference).detach();
        for (var step = 1; step <= 2; step++)
        {
            var gradient = randn([network.Parameters.numel()], ScalarType.Float32, CPU, generator: generator);
            mean = (0.95 * mean) + (0.05 * gradient);
            var ahead = (0.95 * mean) + (0.05 * gradient);
            var before = network.Parameters.detach().clone();
            reference.grad = gradient;
            adam.step();
            muon.Step(gradient, 0.01, step);

            var orthogonal = 0;
            foreach (var ((entry, moved), (_, steepest)) in
                network.Parts(network.Parameters.detach() - before).Zip(network.Parts(ahead)))
            {
                if (!IsLayerOf32(entry)) continue;

                var matrix = steepest.view(entry.Shape[0], -1);
                var size = 0.4 * Math.Sqrt(Math.Max(matrix.shape[0], matrix.shape[1]));
                var expected = Exact(matrix).Result.mul(-0.01 * size);
                TensorAssert.AreClose(expected.to(ScalarType.Float32).view(entry.Shape), moved, 1e-5);
                orthogonal++;
            }

            // In each of five blocks two convolutions and two layers, but for the three that read the single channel.
            Assert.AreEqual(17, orthogonal);
        }

        foreach (var ((entry, actual), (_, expected)) in
            network.Parts(network.Parameters.detach()).Zip(network.Parts(reference.detach())))
        {
            if (!IsLayerOf32(entry)) TensorAssert.AreClose(expected, actual, 1e-5);
        }

        static bool IsLayerOf32(TensorEntry entry) =>
            entry.Shape is [>= 32, >= 32, ..] && entry.Role != TensorRole.Embedding;
    }

    [TestMethod]
    public void Steps_StoppedAndResumed_GiveTheSameWeights()
    {
        var settings = SmallTraining.Create() with { Optimizer = Optimizer.Muon };
        using var whole = new SmallTraining(settings, shape: Shape);
        whole.Run();
        using var parts = new SmallTraining(settings, shape: Shape);
        parts.Run(stops: () => parts.Loop.State.Step == 2);
        Assert.AreEqual(2, parts.Loop.State.Step);

        parts.Run();

        Assert.AreSequenceEqual(whole.Weights, parts.Weights);
        Assert.IsInstanceOfType<Muon>(parts.Loop.State.Adam);
    }

    [TestMethod]
    public void Steps_Finished_LeaveNoTensor()
    {
        var settings = SmallTraining.Create(seed: 1) with { Optimizer = Optimizer.Muon };
        SmallTraining.Train(settings, shape: Shape);
        var before = TensorAssert.Count();
        SmallTraining.Train(settings, shape: Shape);
        Assert.AreEqual(before, TensorAssert.Count());
    }

    private static Tensor Zeros(int rows, int columns) => zeros([rows, columns], ScalarType.Float32, CPU);

    /// <summary>Returns the iteration's result by a singular value decomposition in float64.</summary>
    private static (Tensor Result, double[] Values) Exact(Tensor matrix)
    {
        var (u, s, v) = linalg.svd(matrix.to(ScalarType.Float64), fullMatrices: false);
        var norm = Math.Sqrt(s.data<double>().Sum(value => value * value));
        var values = s.data<double>().Select(value =>
        {
            var x = value / norm;
            for (var i = 0; i < 5; i++) x = (3.4445 * x) - (4.7750 * Math.Pow(x, 3)) + (2.0315 * Math.Pow(x, 5));
            return x;
        }).ToArray();
        return (u.mm(diag(tensor(values, ScalarType.Float64, CPU))).mm(v), values);
    }
}
