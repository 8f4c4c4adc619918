using CondDiffusion.MLNet.Tests.Support;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class AdamTests
{
    [TestMethod]
    public void Step_ManySteps_EqualsTorchSharpsAdam()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1, CPU);
        var start = randn(50, generator: generator);
        using var expected = new Parameter(start.clone());
        using var reference = optim.Adam([expected], lr: 0.01);
        var actual = start.clone();
        using var adam = new CondDiffusion.MLNet.Training.Adam(actual);

        for (var step = 1; step <= 20; step++)
        {
            var gradient = randn(50, generator: generator);
            expected.grad = gradient;
            reference.step();
            adam.Step(gradient, 0.01, step);
        }

        TensorAssert.AreClose(expected.detach().data<float>().ToArray(), actual, 1e-6);
    }
}
