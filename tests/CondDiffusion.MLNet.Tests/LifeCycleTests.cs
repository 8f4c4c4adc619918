using System.Diagnostics;
using System.Runtime.CompilerServices;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests;

/// <summary>No tensor stays behind from training or loading to disposal, whatever goes wrong in between.</summary>
[TestClass]
public sealed class LifeCycleTests
{
    private static readonly MLContext Ml = new(seed: 1);

    /// <summary>How long to wait for what should end at once: a test that fails should not hang.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);

    private static readonly ModelDescription Guided = Tiny.Description with { GeneratesUnlabelled = true };

    private long _tensors;

    [TestInitialize]
    public void CountTensors()
    {
        TorchRuntime.EnsureLoaded();
        _tensors = TensorAssert.Count();
    }

    [TestCleanup]
    public void NoTensorIsLeft() => Assert.AreEqual(_tensors, Tensor.TotalCount);

    [TestMethod]
    public void Dispose_AfterEveryUse_FreesEveryTensor()
    {
        using var model = Tiny.Fit(Ml);
        Tiny.Pixels(model, Tiny.Rows(Ml, 5));
        model.Generate(["1"]);
        using (var loaded = (IDisposable)ModelZip.Load(Ml, ModelZip.Save(Ml, model)))
            Tiny.Pixels((ITransformer)loaded, Tiny.Rows(Ml));

        using var engine = Tiny.Engine<Tiny.Row>(Ml, model);
        engine.Predict(new());
    }

    [TestMethod]
    public void Use_AfterDispose_ThrowsNamingTheTransformer()
    {
        var model = Tiny.Create(Ml);
        using var engine = Tiny.Engine<Tiny.Row>(Ml, model);
        var view = model.Transform(Tiny.Rows(Ml));
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<VBuffer<float>>(view.Schema["GeneratedPixels"]);
        cursor.MoveNext();
        VBuffer<float> pixels = default;
        model.Dispose();
        model.Dispose();

        foreach (var use in new Action[]
        {
            () => getter(ref pixels),
            () => Tiny.Pixels(model, Tiny.Rows(Ml)),
            () => model.Generate(["cat"]),
            () => engine.Predict(new()),
            () => ModelZip.Save(Ml, model),
        })
        {
            var exception = Assert.Throws<Exception>(use).GetBaseException();
            Assert.IsInstanceOfType<ObjectDisposedException>(exception);
            Assert.Contains(nameof(ConditionalDiffusionTransformer), exception.Message);
        }
    }

    [TestMethod]
    public void Dispose_WhileGenerating_EndsTheGenerationWhichFreesTheWeights()
    {
        var model = Tiny.Create(Ml);
        var weights = model.Generator.Shared.Network.Parameters;
        var steps = 0;
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Generate(["cat"], progress: _ =>
        {
            steps++;
            model.Dispose();
            Assert.IsFalse(weights.IsInvalid);
        }));
        Assert.AreEqual(1, steps);
        Assert.IsTrue(weights.IsInvalid);
    }

    [TestMethod]
    public void Dispose_FromAnotherThread_DoesNotWaitForTheGeneration()
    {
        var model = Tiny.Create(Ml);
        var isDisposed = false;
        Assert.ThrowsExactly<ObjectDisposedException>(
            () => model.Generate(["cat"], progress: _ => isDisposed = Task.Run(model.Dispose).Wait(Limit)));
        Assert.IsTrue(isDisposed);
    }

    [TestMethod]
    public void Dispose_OfOneOfTwoModels_LeavesTheGenerationOfTheOther()
    {
        var model = Tiny.Create(Ml);
        using var other = (ConditionalDiffusionTransformer)Ml.ImageGeneration.WithSampling((ITransformer)model, new());
        Assert.HasCount(1, other.Generate(["cat"], progress: _ => model.Dispose()));
        Assert.HasCount(1, other.Generate(["cat"]));
    }

    [TestMethod]
    public void Generate_ProgressWaitsForOtherThreads_TheyCanUseTheModel()
    {
        using var model = Tiny.Create(Ml);
        using var engine = Tiny.Engine<Tiny.Row>(Ml, model);
        Action[] uses =
        [
            () => model.Generate(["dog"]),
            () => model.GenerateAsync(["dog"]).GetAwaiter().GetResult(),
            () => Tiny.Pixels(model, Tiny.Rows(Ml)),
            () => engine.Predict(new()),
            () => ModelZip.Save(Ml, model),
            () => ((IDisposable)Ml.ImageGeneration.WithSampling((ITransformer)model, new() { Steps = 2 })).Dispose(),
        ];
        var ended = 0;
        model.Generate(["cat"], progress: progress =>
        {
            if (progress.Step == 2) ended = uses.Count(use => Task.Run(use).Wait(Limit));
        });
        Assert.AreEqual(uses.Length, ended);
    }

    /// <summary>The callback's tensors are the caller's, and the caller's scope gets none of the library's.</summary>
    [TestMethod]
    public void Generate_Progress_RunsInTheCallersScopeAndGradientMode()
    {
        foreach (var sampler in Enum.GetValues<Sampler>())
        {
            using var model = Tiny.Create(Ml, Guided with { Sampling = new() { Sampler = sampler, Steps = 3 } });
            foreach (var gradients in new[] { true, false })
            {
                using var mode = set_grad_enabled(gradients);
                using var scope = NewDisposeScope();
                var kept = new List<Tensor>();
                model.Generate(["cat", "dog"], progress: progress =>
                {
                    Assert.AreEqual(gradients, is_grad_enabled());
                    Assert.HasCount(2, progress.ToImages());
                    kept.Add(ones(1, ScalarType.Float32, CPU));
                    Assert.AreEqual(kept.Count, scope.DisposablesCount);
                });
                Assert.IsTrue(kept.All(tensor => !tensor.IsInvalid));
                Assert.AreEqual(3, scope.DisposablesCount);
            }
        }
    }

    [TestMethod]
    public void Generate_ProgressFailsAtAnyStep_LeavesNoTensor()
    {
        foreach (var sampler in Enum.GetValues<Sampler>())
        {
            using var model = Tiny.Create(Ml, Guided with { Sampling = new() { Sampler = sampler, Steps = 3 } });
            model.Generate(["cat"]);
            var before = TensorAssert.Count();
            foreach (var step in new[] { 1, 2, 3 })
            {
                Assert.ThrowsExactly<TimeoutException>(() => model.Generate(["cat", "dog"], progress: progress =>
                {
                    if (progress.Step == step) throw new TimeoutException();
                }));
            }

            Assert.AreEqual(before, Tensor.TotalCount, $"{sampler}");
        }
    }

    [TestMethod]
    public void Generate_HundredSteps_LeavesNoTensor()
    {
        using var model = Tiny.Create(Ml, Guided with { Timesteps = 100, Sampling = new() { Steps = 100 } });
        model.Generate(["cat"]);
        var before = TensorAssert.Count();
        model.Generate(["cat"]);
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    [TestMethod]
    public async Task Generate_TokenCancelledBefore_DoesNothing()
    {
        using var model = Tiny.Create(Ml);
        var batches = 0;
        model.Generator.Shared.BatchStarting = _ => batches++;
        var before = TensorAssert.Count();

        var cancelled = new CancellationToken(canceled: true);
        Assert.ThrowsExactly<OperationCanceledException>(() => model.Generate(["cat"], cancellationToken: cancelled));
        await Assert.ThrowsAsync<OperationCanceledException>(
            () => model.GenerateAsync(["cat"], cancellationToken: cancelled));

        Assert.AreEqual(0, batches);
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    /// <summary>Neither a token, nor a context, nor a disposal waits for those who have the device.</summary>
    [TestMethod]
    public async Task Generate_EndedWhileOthersHaveTheDevice_EndsAtOnce()
    {
        using var model = Tiny.Create(Ml);
        var ml = new MLContext(seed: 1);
        using var cancelled = Tiny.Create(ml);
        var disposed = Tiny.Create(Ml);
        using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(50));
        using (DeviceGate.For(CPU).Enter())
        {
            var byToken = Task.Run(() => model.Generate(["cat"], cancellationToken: source.Token));
            var byContext = Task.Run(() => cancelled.Generate(["cat"]));
            var byDisposal = Task.Run(() => disposed.Generate(["cat"]));
            await Assert.ThrowsExactlyAsync<OperationCanceledException>(() => byToken.WaitAsync(Limit));
            Assert.IsFalse(byContext.IsCompleted || byDisposal.IsCompleted);

            ml.Cancel();
            disposed.Dispose();
            await Assert.ThrowsExactlyAsync<OperationCanceledException>(() => byContext.WaitAsync(Limit));
            await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => byDisposal.WaitAsync(Limit));
        }

        Assert.HasCount(1, await model.GenerateAsync(["cat"]));
    }

    [TestMethod]
    public async Task GenerateAsync_ManyRequestsForABusyDevice_BeginAFewAtATimeAndCanBeCancelled()
    {
        using var model = Tiny.Create(Ml);
        using var source = new CancellationTokenSource();
        var begun = 0;
        model.Generator.Shared.BatchStarting = _ => Interlocked.Increment(ref begun);
        Task<IReadOnlyList<MLImage>>[] requests;
        using (DeviceGate.For(CPU).Enter())
        {
            requests =
            [
                .. Enumerable.Range(0, 40).Select(i => model.GenerateAsync(
                    ["cat"], [i], cancellationToken: i % 2 == 1 ? source.Token : default)),
            ];
            SpinWait.SpinUntil(() => begun == DeviceGate.MostGenerations, Limit);
            await Task.Delay(20);
            Assert.AreEqual(DeviceGate.MostGenerations, begun);
            Assert.IsFalse(requests.Any(request => request.IsCompleted));

            await source.CancelAsync();
            for (var i = 1; i < requests.Length; i += 2)
                await Assert.ThrowsAsync<OperationCanceledException>(() => requests[i].WaitAsync(Limit));
        }

        for (var i = 0; i < requests.Length; i += 2)
        {
            var image = (await requests[i].WaitAsync(Limit)).Single();
            var alone = await model.GenerateAsync(["cat"], [i]);
            Assert.IsTrue(alone[0].Pixels.SequenceEqual(image.Pixels), $"request {i}");
        }
    }

    /// <summary>While the pool runs the requests one at a time, each begins after those that came before it.</summary>
    [TestMethod]
    public async Task GenerateAsync_ManyRequests_BeginInTheirOrder()
    {
        using var model = Tiny.Create(Ml);
        var gate = DeviceGate.ForGenerations(CPU);
        DeviceGate.Turn[] turns = [.. Enumerable.Range(0, DeviceGate.MostGenerations).Select(_ => gate.Enter())];
        var begun = new List<int>();
        Task<IReadOnlyList<MLImage>>[] requests =
        [
            .. Enumerable.Range(0, 12).Select(i => model.GenerateAsync(["cat"], progress: progress =>
            {
                if (progress.Step == 1) begun.Add(i);
            })),
        ];
        Assert.IsEmpty(begun);

        turns[0].Dispose();
        await Task.WhenAll(requests).WaitAsync(Limit);
        foreach (var turn in turns[1..]) turn.Dispose();
        Assert.AreSequenceEqual(Enumerable.Range(0, 12), begun);
    }

    [TestMethod]
    public void PredictionEngine_ByDefault_DisposesTheModel()
    {
        var model = Tiny.Create(Ml);
        using (var engine = Ml.Model.CreatePredictionEngine<Tiny.Row, Tiny.GeneratedRow>(model))
            Assert.HasCount(64, engine.Predict(new()).GeneratedPixels!);

        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Generate(["cat"]));
    }

    [TestMethod]
    public void PredictionEngine_NotTheOwner_LeavesTheModelToOthers()
    {
        using var model = Tiny.Create(Ml);
        float[] first;
        using (var engine = Tiny.Engine<Tiny.Row>(Ml, model))
            first = engine.Predict(new()).GeneratedPixels!;

        using var second = Tiny.Engine<Tiny.Row>(Ml, model);
        Assert.AreSequenceEqual(first, second.Predict(new()).GeneratedPixels!);
    }

    [TestMethod]
    public void Fit_TokenCancelled_StopsWithinTheStep()
    {
        using var source = new CancellationTokenSource();
        var steps = 0;
        var options = Tiny.Options with
        {
            Epochs = 100,
            CancellationToken = source.Token,
            Progress = new Reporter(_ =>
            {
                if (++steps == 2)
                    source.Cancel();
            }),
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(Ml, options));
        Assert.AreEqual(2, steps);
    }

    [TestMethod]
    public void Fit_TokenCancelledBefore_ReadsNoRow()
    {
        var options = Tiny.Options with { CancellationToken = new(canceled: true) };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(Ml, options));
    }

    [TestMethod]
    public void Fit_ContextCancelled_StopsWithinTheStep()
    {
        var ml = new MLContext(seed: 1);
        var steps = 0;
        var options = Tiny.Options with
        {
            Epochs = 100,
            Progress = new Reporter(_ =>
            {
                if (++steps == 2)
                    ml.Cancel();
            }),
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(ml, options));
        Assert.AreEqual(2, steps);
    }

    [TestMethod]
    public void Fit_Progress_RunsWhileOthersCanUseTheDevice()
    {
        using var model = Tiny.Create(Ml);
        var generated = new List<bool>();
        var options = Tiny.Options with
        {
            Progress = new Reporter(_ => generated.Add(Task.Run(() => model.Generate(["cat"])).Wait(Limit))),
        };
        Tiny.Fit(Ml, options).Dispose();
        Assert.IsNotEmpty(generated);
        Assert.DoesNotContain(false, generated);
    }

    [TestMethod]
    public void Fit_ProgressFails_WarnsOnceAndReturnsTheModel()
    {
        var ml = new MLContext(seed: 1);
        var warnings = new List<string>();
        ml.Log += (_, entry) =>
        {
            if (entry.Kind == ChannelMessageKind.Warning) warnings.Add(entry.Message);
        };
        var options = Tiny.Options with
        {
            Epochs = 2,
            ProgressInterval = TimeSpan.Zero,
            Progress = new Reporter(_ => throw new NotSupportedException("no paper")),
        };
        Tiny.Fit(ml, options).Dispose();

        var warning = warnings.Single(line => line.Contains("Progress", StringComparison.Ordinal));
        Assert.Contains("no paper", warning);
        Assert.Contains("the training continues", warning);
    }

    [TestMethod]
    public void Fit_ProgressCancels_StopsThere()
    {
        var steps = 0;
        var options = Tiny.Options with
        {
            Epochs = 9,
            ProgressInterval = TimeSpan.Zero,
            Progress = new Reporter(_ => throw new OperationCanceledException($"{++steps}")),
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(Ml, options));
        Assert.AreEqual(1, steps);
    }

    /// <summary>A training that is cancelled while it generates samples stops there, and shows none.</summary>
    [TestMethod]
    public void Fit_TokenCancelledWhileSamplesAreGenerated_StopsGenerating()
    {
        using var source = new CancellationTokenSource();
        var samples = 0;
        var options = Tiny.Options with
        {
            Timesteps = 2000,
            Sampling = new() { Sampler = Sampler.Ddim, Steps = 2000 },
            SampleEpochs = 1,
            CancellationToken = source.Token,
            ProgressInterval = TimeSpan.Zero,
            Progress = new Reporter(progress =>
            {
                if (progress.Samples is not null) samples++;

                // The samples come with the report of the epoch's last step.
                if (progress.Step == progress.StepsPerEpoch - 1) source.CancelAfter(TimeSpan.FromMilliseconds(50));
            }),
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(Ml, options));
        Assert.AreEqual(0, samples);
    }

    [TestMethod]
    public void Generate_TokenCancelledOrProgressFails_StopsAndWorksAfterwards()
    {
        using var model = Tiny.Create(Ml);
        using var source = new CancellationTokenSource();
        var steps = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => model.Generate(["cat"], null, _ =>
        {
            steps++;
            source.Cancel();
        }, source.Token));
        Assert.AreEqual(1, steps);
        Assert.ThrowsExactly<NotSupportedException>(
            () => model.Generate(["cat"], null, _ => throw new NotSupportedException()));
        Assert.HasCount(1, model.Generate(["cat"]));
    }

    [TestMethod]
    public void Transform_ContextCancelledWhileGenerating_StopsWithinTheStep()
    {
        var ml = new MLContext(seed: 1);
        using var model = Tiny.Create(ml);
        var file = ModelZip.Save(ml, model);
        var view = model.Transform(Tiny.Rows(ml));
        using var engine = Tiny.Engine<Tiny.Row>(ml, model);
        var steps = 0;
        Assert.ThrowsExactly<OperationCanceledException>(() => model.Generate(["cat"], null, _ =>
        {
            steps++;
            ml.Cancel();
        }));
        Assert.AreEqual(1, steps);
        Assert.ThrowsExactly<OperationCanceledException>(() => view.GetColumn<float[]>("GeneratedPixels").First());
        Assert.ThrowsExactly<OperationCanceledException>(() => engine.Predict(new()));

        // A context stays cancelled; another one is not.
        using var loaded = (IDisposable)ModelZip.Load(Ml, file);
        Assert.HasCount(2, Tiny.Pixels((ITransformer)loaded, Tiny.Rows(Ml)));
    }

    [TestMethod]
    public void Load_TwoHundredTimes_KeepsMemoryFlat()
    {
        var description = Tiny.Description with { Network = Tiny.Description.Network with { Widths = [8, 16, 32] } };
        var network = ConditionalUNet.Create(description.Network, CPU, seed: 1);
        using var model = new ConditionalDiffusionTransformer(Ml, description, network);
        var file = ModelZip.Save(Ml, model);
        void Load(int times)
        {
            for (var i = 0; i < times; i++)
                ((IDisposable)ModelZip.Load(Ml, file)).Dispose();
        }

        Load(30);
        var tensors = Tensor.TotalCount;
        var before = Resident();
        Load(200);

        Assert.AreEqual(tensors, Tensor.TotalCount);
        // 200 models that stay in memory would be 37 MB.
        Assert.IsLessThan(15_000_000, Resident() - before);
    }

    [TestMethod]
    public void Finalization_OfAModelNeverDisposed_FreesItsTensors()
    {
        Abandon();
        for (var i = 0; i < 10 && Tensor.TotalCount > _tensors; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.AreEqual(_tensors, Tensor.TotalCount);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Abandon() => Tiny.Create(Ml).Generate(["cat"]);
    }

    private static long Resident()
    {
        // An ordinary collection keeps the memory of the heap, which grows with the processor's cache.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }
}
