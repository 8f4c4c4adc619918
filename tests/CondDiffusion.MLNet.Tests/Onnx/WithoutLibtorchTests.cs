using System.Reflection;
using System.Runtime.Loader;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Onnx;

/// <summary>Converts a model file and generates with the result, in copies of the libraries without libtorch.</summary>
[TestClass]
public sealed class WithoutLibtorchTests
{
    [TestMethod]
    public void ConvertAndGenerate_NoLibtorch_GivesTheModelsImages()
    {
        using var model = new OnnxModel(OnnxModel.Description);
        var zip = model.File("model.zip");
        model.Ml.Model.Save(model.Transformer, null, zip);

        var copies = new Copies();
        var catalog = copies.Call("CondDiffusion.MLNet.MLContextExtensions", "get_ImageGeneration", null, model.Ml);
        copies.Call("CondDiffusion.MLNet.OnnxExtensions", "ConvertToOnnx", null, catalog, zip, model.Path, null);
        var generator = copies.Call("CondDiffusion.MLNet.OnnxImageGenerator", "Load", null, model.Path, null);
        using var disposable = (IDisposable)generator!;
        string?[] labels = ["cat", null];
        var images = copies.Call(
            "CondDiffusion.MLNet.OnnxImageGenerator", "Generate", generator,
            labels, null, null, null, CancellationToken.None);

        Tiny.AreClose(Bytes(model.Transformer.Generate(labels)), Bytes((IReadOnlyList<MLImage>)images!));
        var exception = Assert.ThrowsExactly<TargetInvocationException>(
            () => copies.Call("TorchSharp.torch", "get_num_threads", null));
        Assert.Contains(Copies.Message, exception.ToString());
    }

    private static byte[][] Bytes(IReadOnlyList<MLImage> images) =>
        [.. images.Select(image => image.Pixels.ToArray())];

    private sealed class Copies() : AssemblyLoadContext("without libtorch")
    {
        public const string Message = "There is no libtorch here.";

        private static readonly string[] Names = ["CondDiffusion.MLNet", "CondDiffusion.MLNet.Onnx", "TorchSharp"];

        public object? Call(string type, string method, object? instance, params object?[] arguments) => Names
            .Select(name => LoadFromAssemblyName(new(name)).GetType(type))
            .First(found => found is not null)!
            .GetMethod(method)!
            .Invoke(instance, arguments);

        protected override Assembly? Load(AssemblyName assemblyName) => Names.Contains(assemblyName.Name)
            ? LoadFromAssemblyPath(Path.Combine(AppContext.BaseDirectory, $"{assemblyName.Name}.dll"))
            : null;

        protected override nint LoadUnmanagedDll(string unmanagedDllName) =>
            unmanagedDllName.Contains("Torch", StringComparison.Ordinal) ? throw new DllNotFoundException(Message) : 0;
    }
}
