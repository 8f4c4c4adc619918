using CondDiffusion.MLNet.Network;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

/// <summary>Checks the settings alone, which need no GPU; what they do to one is not tested.</summary>
[TestClass]
public sealed class Float32MathTests
{
    private static (bool, bool) Settings
    {
        get => (backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32);
        set
        {
            backends.cudnn.allow_tf32 = value.Item1;
            backends.cuda.matmul.allow_tf32 = value.Item2;
        }
    }

    [TestMethod]
    [DataRow(true, true)]
    [DataRow(true, false)]
    [DataRow(false, true)]
    public void Exact_OnGpus_SwitchesTf32OffUntilTheLastIsDisposed(bool convolutions, bool products)
    {
        var before = Settings;
        try
        {
            Settings = (convolutions, products);
            var first = Float32Math.Exact(new Device("cuda:0"));
            Assert.AreEqual((false, false), Settings);
            var second = Float32Math.Exact(new Device("cuda:1"));
            first.Dispose();
            Assert.AreEqual((false, false), Settings);
            second.Dispose();
            Assert.AreEqual((convolutions, products), Settings);
        }
        finally
        {
            Settings = before;
        }
    }

    [TestMethod]
    public void Exact_OnTheCpu_ChangesNothing()
    {
        var before = Settings;
        try
        {
            Settings = (true, true);
            using var exact = Float32Math.Exact(CPU);
            Assert.AreEqual((true, true), Settings);
        }
        finally
        {
            Settings = before;
        }
    }
}
